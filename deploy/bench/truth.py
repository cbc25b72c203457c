"""What was really in the frames a simulator (or a composer of real cells) made: the truth a run is scored against.

Positions are full-resolution camera pixels, (0, 0) = the centre of the first pixel, as everywhere on the wire.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES

Kind = Literal["lymphocyte", "granulocyte", "monocyte", "red", "debris", "white"]
"""``white`` is a white cell whose class is not known (real cells without a label)."""
WHITE_KINDS = frozenset({*CLASSES, "white"})
_MOST_BYTES = 256 << 20


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TruthFrame(_Closed):
    """One frame's cells as columns of equal length.

    Attributes:
        x_px: Full-resolution pixels to the right.
        y_px: Full-resolution pixels downward.
        kind: Class of a white cell, ``white`` when unlabelled, ``red`` or ``debris``.
        edge: The crop of this cell would leave the frame: it need not be classified.
    """

    frame_seq: Annotated[int, Field(ge=0)]
    x_px: list[float]
    y_px: list[float]
    kind: list[Kind]
    edge: list[bool]

    @model_validator(mode="after")
    def _equal_lengths(self) -> "TruthFrame":
        lengths = {len(self.x_px), len(self.y_px), len(self.kind), len(self.edge)}
        if len(lengths) != 1:
            raise ValueError(f"columns of lengths {sorted(lengths)}, expected equal")
        return self


class Truth(_Closed):
    """The truth of one run."""

    format: Literal["phenostream-truth/1"] = "phenostream-truth/1"
    synthetic: bool
    source: str
    pixel_size_um: Annotated[float, Field(gt=0)]
    frames: list[TruthFrame]


def write_truth(path: Path, truth: Truth) -> None:
    """Write as JSON."""
    path.write_text(truth.model_dump_json() + "\n")


def read_truth(path: Path) -> Truth:
    """Read and check.

    Raises:
        BadInput: Not JSON, or not of this format: names the file and the first fault.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _MOST_BYTES:
                raise BadInput(f"{path}: {size} bytes, allowed {_MOST_BYTES}")
            content = file.read(size)
        return Truth.model_validate(json.loads(content))
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: {key}: {first['msg']}") from err
    except (ValueError, RecursionError) as err:
        raise BadInput(f"{path}: not JSON ({str(err)[:200]})") from err
