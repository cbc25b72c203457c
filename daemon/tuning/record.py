"""What was measured, kept with the box: one record for each bundle, wish and state of the box, in the engine cache.

The cache's HMAC says that the daemon wrote it; what was measured with another graph, runtime, CPU or number of cores
has another name, and is simply not found.
"""

import logging
from typing import Final

from pydantic import TypeAdapter, ValidationError

from phenostream.daemon.tuning.box import speed_facts
from phenostream.daemon.tuning.calibration import Calibration
from phenostream.daemon.tuning.plan import Plan
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import EngineCache, Facts

logger = logging.getLogger(__name__)

FOLDER: Final = "measured"
"""In the cache's folder, apart from what runtimes compiled: their entries would push these out."""
_FORMAT: Final = 1
_PLAIN: Final = TypeAdapter(Calibration)


def kept(cache: EngineCache, bundle: Bundle, plan: Plan) -> Calibration | None:
    """What was measured on this box as it is now; None: nothing that can be believed.

    Raises:
        BadConfig: The folder cannot be had, or is not ours alone.
    """
    facts = _facts(bundle, plan)
    parts = _folder(cache).get(facts)
    if parts is None:
        return None
    try:
        return from_json(parts[0])
    except (ValidationError, IndexError) as err:
        logger.warning("%s: a record is not understood; measured again: %s", FOLDER, type(err))
        _folder(cache).drop(facts)
        return None


def keep(cache: EngineCache, bundle: Bundle, plan: Plan, found: Calibration) -> None:
    """Keep what was measured; raises as `kept`."""
    _folder(cache).put(_facts(bundle, plan), [to_json(found)])


def to_json(found: Calibration) -> bytes:
    """All of it, on one line."""
    return _PLAIN.dump_json(found)


def from_json(text: bytes) -> Calibration:
    """Raises `ValidationError` for anything that `to_json` does not write."""
    return _PLAIN.validate_json(text, strict=True)


def _folder(cache: EngineCache) -> EngineCache:
    cache.check()  # made first, so that it is closed to others too
    return EngineCache(cache.directory / FOLDER, cache.key)


def _facts(bundle: Bundle, plan: Plan) -> Facts:
    return {
        **speed_facts(bundle),
        "record": _FORMAT,
        "backends": " ".join(plan.backends),
        "streams": plan.streams or 0,
        "max_batch": plan.max_batch or 0,
        "precision": plan.precision or "any",
        "compile": int(plan.compile),
    }
