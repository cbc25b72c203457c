"""What the control service may be asked: one closed schema a request."""

from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from phenostream.daemon.wire.ingest import U64

MOST_BYTES: Final = 8 << 20
"""Of records that one request may ask for."""
MOST_CELLS: Final = 1_000_000
LONGEST_WAIT_S: Final = 86_400.0


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    v: Literal[1]
    id: U64


class Status(_Request):
    """How everything stands."""

    type: Literal["status"]


class Model(_Request):
    """The model that serves, with its manifest."""

    type: Literal["model"]


class Runs(_Request):
    """The open runs."""

    type: Literal["runs"]


class Drain(_Request):
    """Finish what there is and stop."""

    type: Literal["drain"]


class Get(_Request):
    """Journal records from an offset on."""

    type: Literal["get"]
    since: U64
    max_bytes: Annotated[int, Field(ge=1, le=MOST_BYTES)] = 1 << 20


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or "\0" in path:
        raise ValueError("allowed an absolute path, on the box of the daemon")
    return path


class ModelLoad(_Request):
    """Have another model go live; see `SwapSettings` for what the keys mean."""

    type: Literal["model_load"]
    bundle: Annotated[str, Field(max_length=4096), AfterValidator(_absolute)]
    cells: Annotated[int, Field(ge=1, le=MOST_CELLS)] = 2000
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.98
    max_marker_shift: Annotated[float, Field(ge=0, le=100)] = 0.1
    max_slowdown: Annotated[float, Field(gt=0, le=1000)] = 1.5
    wait_s: Annotated[float, Field(gt=0, le=LONGEST_WAIT_S)] = 600.0
    now: bool = False


class ModelSwap(_Request):
    """How the newest swap stands."""

    type: Literal["model_swap"]


class ModelCancel(_Request):
    """End the swap that is under way: the model that served before it serves."""

    type: Literal["model_cancel"]


Request = Status | Model | Runs | Drain | Get | ModelLoad | ModelSwap | ModelCancel
REQUEST: Final[TypeAdapter[Request]] = TypeAdapter(Annotated[Request, Field(discriminator="type")])
FOR_OPERATORS: Final = (Drain, ModelLoad, ModelCancel)
"""With keys, only an operator may ask for these."""
