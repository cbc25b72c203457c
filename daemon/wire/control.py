"""What the control service may be asked: one closed schema a request."""

from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from phenostream.daemon.wire.codec import MAX_REQUEST_TEXT_BYTES
from phenostream.daemon.wire.ingest import U64

MOST_BYTES: Final = 8 << 20
"""Of records that one request may ask for."""
MOST_CELLS: Final = 1_000_000
LONGEST_WAIT_S: Final = 86_400.0
MOST_TEXT_BYTES: Final = MAX_REQUEST_TEXT_BYTES
"""Of a summary's text in UTF-8: a request with a longer one is not decoded."""


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


class Reload(_Request):
    """Read the allow-list again."""

    type: Literal["reload"]


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


def _shown(text: str) -> str:
    if not text.isprintable():
        raise ValueError("allowed printable characters")
    return text


ShownName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_shown)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)]


class LanguageModelName(BaseModel):
    """Which language model worded a text, and through which binding.

    Attributes:
        name: As the daemon's configuration calls it.
        sha256: Of that file, 64 digits.
        binding: The library that ran it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    name: ShownName
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    binding: ShownName


class SummaryText(_Request):
    """Publish this wording of a summary that the daemon wrote, if its facts support every word of it.

    Attributes:
        text: At most `MOST_TEXT_BYTES`.
        of_offset: Of the record that has the facts and the template's text.
        seconds: How long the language model took, all tries together.
    """

    type: Literal["summary_text"]
    of_offset: U64
    text: Annotated[str, Field(min_length=1)]
    style: ShownName
    language: ShownName
    source: Literal["llm-grammar", "llm-free"]
    llm: LanguageModelName
    seconds: Seconds


class Summariser(_Request):
    """How the summariser stands, for the status: said when it is ready, and after every summary.

    Attributes:
        llm: Which model it has; None: none, and it words nothing.
        skipped: Windows it had no time for, as a newer one came, since it started.
        unworded: Summaries that it left as the template wrote them, since it started.
        reason: Why it has no model, or left the last summary unworded; None where all is well.
        seconds: The last summary took it; None before the first.
    """

    type: Literal["summariser"]
    llm: LanguageModelName | None
    skipped: U64
    unworded: U64
    reason: Annotated[str, Field(min_length=1, max_length=400), AfterValidator(_shown)] | None = (
        None
    )
    seconds: Seconds | None = None


Request = (
    Status
    | Model
    | Runs
    | Drain
    | Reload
    | Get
    | ModelLoad
    | ModelSwap
    | ModelCancel
    | SummaryText
    | Summariser
)
REQUEST: Final[TypeAdapter[Request]] = TypeAdapter(Annotated[Request, Field(discriminator="type")])
_OPERATOR: Final = ("operator",)
_SUMMARISER: Final = ("operator", "summariser")
RESERVED: Final[dict[type[_Request], tuple[str, ...]]] = {
    Drain: _OPERATOR,
    Reload: _OPERATOR,
    ModelLoad: _OPERATOR,
    ModelCancel: _OPERATOR,
    SummaryText: _SUMMARISER,
    Summariser: _SUMMARISER,
}
"""Requests that, with keys, only these roles may make; the others are everybody's who may ask at all."""
