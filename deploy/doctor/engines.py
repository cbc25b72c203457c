"""What each backend can do on this box: whether it loads, how right, how fast, and which one a daemon takes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.engine_cache import opened_cache
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.security.trusted_keys import read_trusted_keys
from phenostream.daemon.tuning.apart import measure_apart
from phenostream.daemon.tuning.calibration import Calibration, OnStep
from phenostream.daemon.tuning.choice import BUDGET_S, plan_of
from phenostream.daemon.tuning.measuring import Request
from phenostream.daemon.tuning.plan import UNMEASURED_BATCH, auto_backends
from phenostream.daemon.tuning.record import keep, kept
from phenostream.engine.backends.measured import Measured, explained, ranked
from phenostream.engine.backends.registry import AUTO_ORDER, BACKENDS, NEED_CUDA
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import EngineFault

_NOT_TO_BE_CHOSEN: Final = ("fake",)


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One backend in one precision.

    Attributes:
        reason: Why it cannot serve here; None: it can.
        golden: Largest difference of class_logits and marker_z to the golden outputs; of int8 the share of changed
            decisions.
        best: Its best way; None where it cannot serve.
        taken: Whether a daemon takes it.
    """

    backend: str
    precision: str | None
    reason: str | None = None
    device: str | None = None
    golden: float | None = None
    best: Measured | None = None
    taken: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("streams", "threads", "max_batch", "cells_per_s", "least", "most", "batch1_ms")
        return {
            "backend": self.backend,
            "precision": self.precision,
            "loads": self.reason is None,
            "reason": self.reason,
            "device": self.device,
            "golden_difference": self.golden,
            **{name: getattr(self.best, name) if self.best else None for name in names},
            "taken": self.taken,
        }


@dataclass(frozen=True, slots=True)
class Examination:
    """All of it.

    Attributes:
        found: The measurement.
        is_new: It was made now.
        source: Where the measurement is kept, or why it is not, for a person.
        why: What a daemon takes and why, for a person.
        rows: Every backend and precision, the best first, then what cannot serve.
    """

    bundle: Bundle
    found: Calibration
    is_new: bool
    source: str
    why: str
    rows: tuple[EngineRow, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        manifest = self.bundle.manifest
        return {
            "bundle": {
                "name": manifest.name,
                "version": manifest.version,
                "sha256": self.bundle.sha256,
                "synthetic": manifest.synthetic,
            },
            "measured_utc": self.found.utc,
            "measured_now": self.is_new,
            "measured_in_s": self.found.took_s,
            "others_cpu_share": self.found.others,
            "source": self.source,
            "why": self.why,
            "engines": [row.as_dict() for row in self.rows],
        }


def examine(
    config: ModelConfig,
    *,
    again: bool = False,
    budget_s: float = BUDGET_S,
    on_step: OnStep = lambda done, of, what: None,
) -> Examination:
    """Read what was measured under this configuration, or measure it.

    Args:
        config: Its bundle is a path.
        again: Measure also where there is a record.
        budget_s: Time for all timings together.
        on_step: Called after each timing.

    Raises:
        BadBundle: The bundle is refused.
        BadConfig: The key or folder of the engine cache is.
        EngineFault: Measuring failed.
    """
    bundle = load_bundle(Path(config.bundle), read_trusted_keys(config.trusted_keys))
    cache, source = _cache(config.engine_cache)
    plan = plan_of(config)
    if not plan.backends:
        raise EngineFault(f"model.backend: {config.backend!r} is none that is measured")
    found = kept(cache, bundle, plan) if cache is not None and not again else None
    is_new = found is None
    if found is None:
        folder = cache.directory if cache is not None else None
        request = Request(bundle.path.resolve(), bundle.sha256, plan, budget_s, folder)
        found = measure_apart(request, on_step=on_step)
        if cache is not None:
            keep(cache, bundle, plan, found)
    rows = tuple(_rows(found, config, measured=cache is not None))
    return Examination(bundle, found, is_new, source, _why(found, config, cache), rows)


def _cache(directory: Path | None) -> tuple[EngineCache | None, str]:
    """The engine cache where it is ours already: made by somebody else than the daemon's user, it would be refused."""
    if directory is None:
        return None, "not kept: no model.engine_cache is configured (--config FILE)"
    if not directory.exists():
        return None, f"not kept: {directory} is made by the daemon at its first start"
    if directory.stat().st_uid != os.geteuid():
        return None, f"not kept: {directory} is another user's"
    return opened_cache(directory), f"kept in {directory}"


def _rows(found: Calibration, config: ModelConfig, *, measured: bool) -> Iterator[EngineRow]:
    loaded = {(one.backend, one.precision): one for one in found.loaded}
    order = ranked(found.rows)
    taken = _taken(order, config) if measured else None
    for best in order:
        one = loaded[best.backend, best.precision]
        yield EngineRow(
            best.backend, best.precision, None, one.device, one.golden, best, best is taken
        )
    for gone in found.absent:
        yield EngineRow(gone.backend, gone.precision, gone.reason)
    seen = {row.backend for row in found.rows} | {gone.backend for gone in found.absent}
    for name in BACKENDS:
        if name not in seen and name not in _NOT_TO_BE_CHOSEN:
            yield EngineRow(name, None, _left_out(name))


def _left_out(name: str) -> str:
    if name in NEED_CUDA and name not in auto_backends():
        return "not tried: this box has no CUDA device"
    return (
        "not tried: the configuration leaves it out"
        if name in AUTO_ORDER
        else "not tried: `auto` does not take it"
    )


def _taken(order: tuple[Measured, ...], config: ModelConfig) -> Measured | None:
    """What a daemon takes of what was measured."""
    return next((row for row in order if config.backend in ("auto", row.backend)), None)


def _why(found: Calibration, config: ModelConfig, cache: EngineCache | None) -> str:
    order = ranked(found.rows)
    best = _taken(order, config)
    if best is None:
        return "no backend can serve here"
    said = explained(best.backend, best.precision, found.rows)
    if cache is not None:
        return f"a daemon takes {said}"
    first = next(name for name in AUTO_ORDER if any(row.backend == name for row in order))
    usual = first if config.backend == "auto" else config.backend
    batch = config.max_batch or UNMEASURED_BATCH
    return (
        f"best is {said}. A daemon without an engine cache does not know this: it takes {usual}, the first "
        f"in the table's order, a stream a core and batches of {batch}"
    )
