"""What a published z means: mean and standard deviation of each marker in the training set of others, from a JSON file.

A checkpoint does not hold them. Without the file a marker stays "z, reference unknown". Closed schema::

    {"unit": "a.u.", "scale": "linear", "markers": {"CD45": {"mean": 812.0, "sd": 344.5}, ... all four pools}}
"""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.types import MARKERS
from phenostream.trainer.network.graph import LARGEST_Z

UNKNOWN_UNIT: Final = "z, reference unknown"
UNKNOWN: Final = MarkerTransform(scale="linear", mean=(0, 0, 0, 0), sd=(1, 1, 1, 1))
"""An estimate that is z itself."""
_LARGEST_BYTES: Final = 1 << 16
_LARGEST_LOG10: Final = 37.0
"""Of what float32 can hold."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Marker(_Closed):
    mean: Annotated[float, Field(ge=-1e30, le=1e30)]
    sd: Annotated[float, Field(ge=1e-30, le=1e30)]


class MarkerStatistics(_Closed):
    """The file's content.

    Attributes:
        unit: Of the markers before they were turned into z, such as ``a.u.``; for people.
        scale: Whether z was made of the values (``linear``, as published) or of their log10.
        markers: Mean and standard deviation on that scale, for each of the four pools by name.
    """

    unit: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]
    scale: Literal["log10", "linear"]
    markers: dict[str, _Marker]

    def transform(self) -> MarkerTransform:
        """For the manifest and the graph, in the order of `MARKERS`."""
        mean = tuple(self.markers[name].mean for name in MARKERS)
        sd = tuple(self.markers[name].sd for name in MARKERS)
        return MarkerTransform.model_validate({"scale": self.scale, "mean": mean, "sd": sd})


def load_statistics(path: Path) -> MarkerStatistics:
    """Read and check the file.

    Raises:
        BadInput: It cannot be read, a key is unknown, missing or given twice, or a value out of range.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_BYTES + 1)
        if len(text) > _LARGEST_BYTES:
            raise BadInput(f"{path.name}: more than {_LARGEST_BYTES} bytes")
        content = json.loads(text, object_pairs_hook=_unique)
        found = MarkerStatistics.model_validate(content)
    except OSError as err:
        raise BadInput(f"{path.name}: cannot be read ({err.strerror})") from err
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "file"
        raise BadInput(f"{path.name}: {key}: {first['msg']}, found {first['input']!r:.60}") from err
    except (ValueError, RecursionError) as err:
        raise BadInput(f"{path.name}: not valid JSON: {str(err)[:120]}") from err
    odd = sorted(set(found.markers) ^ set(MARKERS))
    if odd:
        kind = "unknown" if odd[0] in found.markers else "missing"
        raise BadInput(f"{path.name}: markers: {odd[0]!r} is {kind}, allowed {', '.join(MARKERS)}")
    for name, marker in found.markers.items():
        reach = abs(marker.mean) + 2 * LARGEST_Z * marker.sd
        if found.scale == "log10" and reach > _LARGEST_LOG10:
            raise BadInput(
                f"{path.name}: markers.{name}: 10 to the power of {reach:.3g} is beyond float32; are they log10?"
            )
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is given twice")
    return content
