"""What a daemon knows of its box when it starts: the kept record, a measurement made now, or why there is neither."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.notify import starting
from phenostream.daemon.tuning.apart import loading_s, longest_s
from phenostream.daemon.tuning.calibration import Calibration
from phenostream.daemon.tuning.measuring import Request
from phenostream.daemon.tuning.plan import UNMEASURED_BATCH, Plan, auto_backends
from phenostream.daemon.tuning.record import keep, kept
from phenostream.engine.backends.measured import Measured, explained, ranked
from phenostream.engine.backends.registry import fallbacks
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import EngineFault

logger = logging.getLogger(__name__)

BUDGET_S: Final = 12.0
"""Of the timings at a first start; loading the runtimes comes on top."""
BUSY: Final = 0.25
"""A record made while other work took more of the CPU than this is made again at the next start."""
MOST_ATTEMPTS: Final = 3

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
    except EngineFault as err:  # of a driver that does not say what device it has
        return Tuning((), str(err))
    if measure is not None and config.measure and (found is None or is_doubtful(found)):
        try:
            found = _quieter(found, _measured_now(bundle, config, plan, measure))
            keep(cache, bundle, plan, found)
        except EngineFault as err:
            logger.warning("%s; model.measure = false starts without measuring", err)
            if found is None:
                return Tuning((), str(err))
    if found is None:
        absent = "this box has no record of this bundle yet"
        return Tuning((), absent if config.measure else "model.measure is false")
    return Tuning(found.rows, when(found))


def when(found: Calibration) -> str:
    """When it was measured, and how disturbed, for a person."""
    return f"measured {found.utc} while other work took {found.others:.0%} of the CPU"


def is_doubtful(found: Calibration) -> bool:
    """Whether the box was too busy for the figures to be those of another day, and it is worth another attempt."""
    return found.others > BUSY and found.attempt < MOST_ATTEMPTS


def _quieter(before: Calibration | None, now: Calibration) -> Calibration:
    """Of two measurements the one that was disturbed less; it counts both attempts."""
    if before is None:
        return now
    return replace(min(before, now, key=lambda one: one.others), attempt=before.attempt + 1)


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
        compile=config.compile,
    )


def _measured_now(bundle: Bundle, config: ModelConfig, plan: Plan, measure: Measure) -> Calibration:
    request = Request(bundle.path.resolve(), bundle.sha256, plan, BUDGET_S, config.engine_cache)
    limit_s = longest_s(request)
    logger.info(
        "measuring what this box does best with this bundle, once: half a minute on a CPU, at most %.0f s",
        limit_s,
    )
    starting("measuring what this box does best, once", limit_s + loading_s(plan))
    found = measure(request)
    logger.info(
        "measured %d ways to run the model in %.1f s, while other work took %.0f %% of the CPU",
        len(found.rows),
        found.took_s,
        100 * found.others,
    )
    if found.others > BUSY:
        logger.warning(
            "the box was busy while it was measured: the next start measures again, %d starts in all at most",
            MOST_ATTEMPTS,
        )
    return found
