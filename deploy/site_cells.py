"""The cells of a recording as the daemon cuts them, for a model to be fitted to or asked about.

Composes the recording's reader with reduce, detect and crop. Nothing is known of what the cells are.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from phenostream.daemon.channel_map import NO_MAPS, ChannelMaps, true_shots
from phenostream.daemon.recordings.frames import RecordedFrames, WholeFrame
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.engine.crop import cut_crops, select
from phenostream.engine.detect import Detector
from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Manifest
from phenostream.engine.reduce import Reducer, full_from_reduced
from phenostream.engine.types import F32, I32, REDUCED_PIXEL_UM, Crops

FrameName = tuple[str, int]
"""A frame's run and number."""


@dataclass(frozen=True, slots=True)
class SiteCells:
    """N cells whose crops lie inside their frames.

    Attributes:
        crops: As the model takes them.
        frame: (N,) int32, place in `frames`.
        y_px: (N,) float32, full-resolution camera pixels.
        x_px: (N,) float32, likewise.
        diameter_um: (N,) float32, apparent.
        frames: Every frame that was read, also those without a cell.
        instruments: Names, sorted.
        pixels_um: Of the cameras, at the sample, sorted.
        synthetic: Some run was simulated.
        flags: How many frames each flag was raised for; flags that never were are left out.
        broken: Messages that were passed over.
    """

    crops: Crops
    frame: I32
    y_px: F32
    x_px: F32
    diameter_um: F32
    frames: tuple[FrameName, ...]
    instruments: tuple[str, ...]
    pixels_um: tuple[float, ...]
    synthetic: bool
    flags: dict[str, int]
    broken: int

    def __len__(self) -> int:
        return len(self.crops)


def read_site_cells(
    path: Path,
    manifest: Manifest,
    maps: ChannelMaps = NO_MAPS,
    on_position: Callable[[int], object] = lambda _position: None,
    most_cells: int = 20_000,
) -> SiteCells:
    """Find and cut the cells of a recording.

    Args:
        path: The recording; where it is damaged, what is whole counts.
        manifest: Of the model they are for.
        maps: Channel maps of the site's configuration.
        on_position: Called with the byte reached after every frame.
        most_cells: Frames after so many cells are not read.

    Raises:
        BadInput: Not a recording, no whole frame in it, or frames that the model was not made for: other shots, or a
            camera pixel larger than its own.
    """
    found = _Found()
    cutters: dict[str, _Cutter] = {}
    with RecordingReader(path, tolerant=True) as reader:
        frames = RecordedFrames(reader)
        for frame in frames:
            run = frame.start.run
            if run not in cutters:
                cutters[run] = _Cutter.of(path, frame, manifest, maps)
            cutters[run].cut(frame, found)
            on_position(reader.position)
            if found.cells >= most_cells:
                break
    if not found.frames:
        broken = f", {frames.broken} broken messages" if frames.broken else ""
        raise BadInput(f"{path}: holds no whole frame{broken}")
    starts = [cutter.first.start for cutter in cutters.values()]
    return SiteCells(
        Crops(_joined(found.images, (4, 28, 28)), _joined(found.background, (4,))),
        np.repeat(np.arange(len(found.frames)), [len(one) for one in found.y]).astype(np.int32),
        _joined(found.y, ()),
        _joined(found.x, ()),
        _joined(found.diameter_um, ()),
        tuple(found.frames),
        tuple(sorted({start.instrument for start in starts})),
        tuple(sorted({start.pixel_size_um for start in starts})),
        any(start.synthetic for start in starts),
        dict(found.flags),
        frames.broken,
    )


@dataclass(slots=True)
class _Found:
    """Columns, frame by frame."""

    frames: list[FrameName] = field(default_factory=list)
    images: list[F32] = field(default_factory=list)
    background: list[F32] = field(default_factory=list)
    y: list[F32] = field(default_factory=list)
    x: list[F32] = field(default_factory=list)
    diameter_um: list[F32] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)
    cells: int = 0


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Works through the frames of one run."""

    first: WholeFrame
    reducer: Reducer
    detector: Detector

    @classmethod
    def of(cls, path: Path, frame: WholeFrame, manifest: Manifest, maps: ChannelMaps) -> "_Cutter":
        start = frame.start
        shots = true_shots(start, maps)
        if not manifest.takes_shots(shots):
            allowed = " or ".join("+".join(one) for one in manifest.shot_sets)
            raise BadInput(
                f"{path}: run {start.run}: shots {'+'.join(shots)}, the model takes {allowed}"
            )
        if start.pixel_size_um > REDUCED_PIXEL_UM:
            raise BadInput(
                f"{path}: run {start.run}: pixel_size_um {start.pixel_size_um:g} is coarser than the model's "
                f"{REDUCED_PIXEL_UM}: its cells cannot show what the model looks at; allowed up to {REDUCED_PIXEL_UM}"
            )
        shape = start.height, start.width
        reducer = Reducer(start.camera, shape, kernel=manifest.reduction_kernel, shots=shots)
        return cls(frame, reducer, Detector(reducer.reduced_shape))

    def cut(self, frame: WholeFrame, found: _Found) -> None:
        reduced = self.reducer.reduce(frame.counts)
        detections = self.detector.detect(reduced)
        inside = select(detections, ~detections.edge)
        crops = cut_crops(reduced, inside)
        found.frames.append((frame.start.run, frame.frame_seq))
        found.images.append(crops.images)
        found.background.append(crops.background)
        found.y.append(full_from_reduced(inside.y, reduced.factor))
        found.x.append(full_from_reduced(inside.x, reduced.factor))
        found.diameter_um.append(inside.diameter_um)
        found.flags.update(name for name, raised in asdict(reduced.flags).items() if raised)
        found.cells += len(crops)


def _joined(parts: list[F32], shape: tuple[int, ...]) -> F32:
    """One array, also of no part."""
    return np.concatenate([np.empty((0, *shape), np.float32), *parts])
