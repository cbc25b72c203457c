"""Whether a model can take the place of another one while runs are open: it must be fed and read in the same way."""

from collections.abc import Iterator
from pathlib import Path

from phenostream.engine.errors import BadBundle
from phenostream.engine.manifest import Manifest


def check_fits(path: Path, new: Manifest, serving: Manifest) -> None:
    """See that frames are prepared, and numbers read, for the new model as for the one that serves.

    Args:
        path: Of the new bundle, for the message.
        new: Its manifest.
        serving: Of the model that serves.

    Raises:
        BadBundle: The first thing that differs, in one line.
    """
    for (key, ours), (_, served) in zip(_facts(new), _facts(serving), strict=True):
        if ours != served:
            raise BadBundle(
                f"{path}: {key}: {_said(ours)}, the model that serves has {_said(served)}: "
                "such a bundle needs a restart with model.bundle set to it"
            )


def _facts(manifest: Manifest) -> Iterator[tuple[str, object]]:
    yield "classes", manifest.classes
    yield "markers", manifest.markers
    yield "marker_unit", manifest.marker_unit
    yield "marker_transform.scale", manifest.marker_transform.scale
    yield "shots", manifest.shots
    yield "shot_sets", tuple(sorted(tuple(sorted(shots)) for shots in manifest.shot_sets))
    yield "orientation", manifest.orientation
    yield "pixel_size_um", manifest.pixel_size_um
    yield "crop_px", manifest.crop_px
    yield "reduction_kernel", manifest.reduction_kernel


def _said(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join("+".join(part) if isinstance(part, tuple) else str(part) for part in value)
