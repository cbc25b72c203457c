"""The configuration of the model: what infers, on what, and how cells are batched."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from phenostream.daemon.endpoint import BasedPath, based
from phenostream.engine.backends.registry import AUTO_ORDER, BACKENDS
from phenostream.engine.manifest import Precision

LEAST_CALL_TIMEOUT_S: Final = 0.5
"""A shorter one would give up on sound calls."""


def _known_backend(name: str) -> str:
    if name != "auto" and name not in BACKENDS:
        raise ValueError(f"allowed {', '.join(('auto', *AUTO_ORDER))}")
    return name


def _known_fallback(name: str) -> str:
    if name not in ("auto", "none", *BACKENDS):
        raise ValueError(f"allowed {', '.join(('auto', 'none', *AUTO_ORDER))}")
    return name


def _limit(seconds: float) -> float:
    if 0 < seconds < LEAST_CALL_TIMEOUT_S:
        raise ValueError(f"allowed 0, or {LEAST_CALL_TIMEOUT_S:g} to 3600")
    return seconds


def _bundle(name: str, info: ValidationInfo) -> str:
    return name if name == "demo" else str(based(Path(name), info))


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


class ModelConfig(BaseModel):
    """What infers, and how cells are batched.

    Attributes:
        bundle: A bundle directory, or ``demo`` for the one in the package.
        precision: What to compute in; None: what was measured fastest, or the backend's own choice.
        max_batch: Cells in one batch; 0 = as measured on this box, or 32.
        max_wait_ms: Longest time an idle engine waits for a batch to fill.
        streams: Batches at the same time; 0 = as measured on this box, or as many as the backend takes.
        measure: With an engine cache: measure once what this box does best with the bundle, and keep it there.
        fallback: Backend that takes over while `backend` fails: ``auto`` = the next rows of the table; ``none``.
        call_timeout_s: Longest time of one call of a backend; 0 = 10 s, or 100 times what a full batch took at first.
        compile: Of the torch backend on a GPU: compile the graph at the start, for a minute of patience.
        trusted_keys: Files with the public keys of who may vouch for a bundle; if any, one of them must have signed it.
        engine_cache: Folder, ours alone, for what backends compiled and what was measured. Empty: nowhere.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, protected_namespaces=()
    )
    bundle: Annotated[str, AfterValidator(_bundle)]
    backend: Annotated[str, AfterValidator(_known_backend)] = "auto"
    precision: Precision | None = None
    max_batch: Annotated[int, Field(ge=0, le=4096)] = 0
    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] = 2.0
    streams: Annotated[int, Field(ge=0, le=64)] = 0
    measure: bool = True
    compile: bool = False
    fallback: Annotated[str, AfterValidator(_known_fallback)] = "auto"
    call_timeout_s: Annotated[float, Field(ge=0, le=3600), AfterValidator(_limit)] = 0.0
    trusted_keys: Annotated[tuple[BasedPath, ...], Field(max_length=64)] = ()
    engine_cache: BasedPath | None = None
    _trusted_keys = field_validator("trusted_keys", mode="before")(_one_or_many)
    _none = field_validator("engine_cache", "precision", mode="before")(_none_if_empty)
