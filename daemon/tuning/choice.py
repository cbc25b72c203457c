"""What a daemon knows of its box when it starts: the kept record, a measurement made now, or why there is neither."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from phenostream.daemon.config import ModelConfig
from phenostream.daemon.notify import notify
from phenostream.daemon.tuning.apart import longest_s
from phenostream.daemon.tuning.calibration import Calibration
from phenostream.daemon.tuning.measuring import Request
from phenostream.daemon.tuning.plan import Plan, auto_backends
from phenostream.daemon.tuning.record import keep, kept
from phenostream.engine.backends.measured import Measured, explained, ranked
from phenostream.engine.backends.registry import fallbacks
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import EngineFault

logger = logging.getLogger(__name__)

BUDGET_S: Final = 12.0
"""Of the timings at a first start; loading the runtimes comes on top."""
UNMEASURED_BATCH: Final = 32
"""Cells of a batch where neither the configuration nor a measurement says."""

Measure = Callable[[Request], Calibration]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is known of this box with this bundle.

    Attributes:
        rows: Measured ways; none where nothing was measured.
        source: Where they are from, or why there are none, for a person.
    """

    rows: tuple[Measured, ...]
    source: str

    def max_batch(self, config: ModelConfig) -> int:
        """Cells of a batch: as configured, else of the best measured way, else 32."""
        best = ranked(row for row in self.rows if config.backend in ("auto", row.backend))
        return config.max_batch or (best[0].max_batch if best else UNMEASURED_BATCH)

    def explain(self, backend: str, precision: str, configured: str) -> str:
        """Why this backend serves, in one line.

        Args:
            backend: Who serves.
            precision: Likewise.
            configured: `model.backend`.
        """
        asked = f"as model.backend = {configured!r} asks: " if configured != "auto" else ""
        if self.rows:
            return f"{asked}{explained(backend, precision, self.rows)}; {self.source}"
        first = asked or "the first in the table's order that loads and gives the golden outputs: "
        return f"{first}{backend} {precision}; not measured: {self.source}"


def tuning(
    bundle: Bundle,
    config: ModelConfig,
    cache: EngineCache | None,
    measure: Measure | None = None,
) -> Tuning:
    """What this box was measured to do; measured now, once, where there is a place to keep it.

    Args:
        bundle: Verified.
        config: What was fixed wins, and is all that is measured.
        cache: Where records are kept.
        measure: Makes a record where there is none; None: nothing is measured now.

    Raises:
        BadConfig: The cache's folder cannot be had, or is not ours alone.
    """
    plan = plan_of(config)
    if not plan.backends:
        return Tuning((), f"backend {config.backend!r} is not among those that are")
    if cache is None:
        return Tuning((), "model.engine_cache names no folder to keep a measurement in")
    try:
        found = kept(cache, bundle, plan)
        if found is None:
            if not config.measure:
                return Tuning((), "model.measure is false")
            if measure is None:
                return Tuning((), "this box has no record of this bundle yet")
            found = _measured_now(bundle, config, plan, measure)
            keep(cache, bundle, plan, found)
    except EngineFault as err:
        logger.warning("%s; backends are taken in the table's order", err)
        return Tuning((), str(err))
    return Tuning(found.rows, f"measured {found.utc}")


def plan_of(config: ModelConfig) -> Plan:
    """What may serve under this configuration."""
    names = auto_backends()
    if config.backend != "auto":
        may = (config.backend, *fallbacks(config.backend, config.fallback))
        names = tuple(name for name in names if name in may) if config.backend in names else ()
    return Plan(
        names,
        streams=config.streams or None,
        max_batch=config.max_batch or None,
        precision=config.precision,
    )


def _measured_now(bundle: Bundle, config: ModelConfig, plan: Plan, measure: Measure) -> Calibration:
    request = Request(bundle.path.resolve(), bundle.sha256, plan, BUDGET_S, config.engine_cache)
    limit_s = longest_s(request)
    logger.info(
        "measuring what this box does best with this bundle, once: about half a minute, at most %.0f s",
        limit_s,
    )
    notify(f"STATUS=measuring backends, once\nEXTEND_TIMEOUT_USEC={int((limit_s + 30) * 1e6)}")
    found = measure(request)
    logger.info(
        "measured %d ways to run the model in %.1f s at load %.1f",
        len(found.rows),
        found.took_s,
        found.load,
    )
    return found
