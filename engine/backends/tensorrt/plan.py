"""The plan for this box: from the engine cache where it was made before, else built and kept there.

A plan is of one graph, one version of the library, one GPU with one driver, one set of buckets and flags. All of it is
the key that it is kept under, so that whatever changes means another plan. RTX plans are of no one GPU or driver.
"""

import hashlib
import logging
import platform
import sys
from typing import Final

from phenostream.engine.backends.driver import DeviceFacts
from phenostream.engine.backends.tensorrt.build import BuildSettings, build_plan, model_of
from phenostream.engine.backends.tensorrt.library import Library
from phenostream.engine.backends.tensorrt.progress import Watch
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import EngineCache, Facts
from phenostream.engine.errors import EngineFault

logger = logging.getLogger(__name__)

_KIND: Final = "plan 1"
"""Counted up when the same settings come to build otherwise: what was built before is then no longer found."""
ANY: Final = "any"
"""GPU and driver of a plan that is finished for the one at hand while loading."""


def obtained_plan(
    bundle: Bundle,
    library: Library,
    settings: BuildSettings,
    device: DeviceFacts | None,
    cache: EngineCache | None,
    watch: Watch | None = None,
) -> bytes:
    """The plan of a bundle, kept or built; blocks for minutes where it is built.

    Of several processes that want plans of one cache, one builds at a time: the others wait, and take its plan where it
    is theirs too. One that is killed leaves nothing behind that is believed, and its place to the next.

    Args:
        bundle: A verified bundle.
        library: What builds, and what runs the plan.
        settings: What for.
        device: What it is for; RTX needs none.
        cache: Where plans are kept; None: nowhere.
        watch: Is told what takes long.

    Raises:
        EngineFault: There is no device, or the library failed.
        BadBundle: The graph is not one that the library takes.
        BadConfig: The bundle has no such precision, a setting is not allowed, or the cache is not ours alone.
    """
    facts = plan_facts(bundle, library, settings, device)
    model = model_of(bundle, settings.precision)
    if cache is None:
        logger.info(
            "%s: building a plan of %s; without a cache it is not kept", library, settings.file
        )
        return build_plan(library, model, settings, watch=watch).plan
    kept = cache.get(facts)
    if kept is not None:
        return kept[0]

    def waiting() -> None:
        logger.info("%s: another process builds into %s: waiting", library, cache.directory)
        if watch is not None:
            watch.waiting()

    with cache.alone(waiting):
        kept = cache.get(facts)  # whoever was before us may have made it
        if kept is not None:
            return kept[0]
        logger.info("%s: building a plan of %s, kept for the next start", library, settings.file)
        learned = timing_facts(library, device)
        timings = cache.get(learned)
        built = build_plan(
            library,
            model,
            settings,
            timings=timings[0] if timings else None,
            watch=watch,
        )
        cache.put(facts, [built.plan])
        if built.timings is not None:
            cache.put(learned, [built.timings])
        return built.plan


def plan_facts(
    bundle: Bundle, library: Library, settings: BuildSettings, device: DeviceFacts | None
) -> Facts:
    """All that a plan depends on, which is the key it is kept under.

    Raises:
        BadConfig: The bundle has no such precision.
        EngineFault: The library builds only for a device, and there is none.
    """
    model = model_of(bundle, settings.precision)
    return {
        "kind": _KIND,
        "model": hashlib.sha256(model).hexdigest(),
        **_where(library, settings, device),
        "buckets": ",".join(map(str, settings.buckets)),
        "workspace_mib": settings.workspace_mib or 0,
        "version_compatible": int(settings.version_compatible),
        "hardware_compatible": int(settings.hardware_compatible),
    }


def timing_facts(library: Library, device: DeviceFacts | None) -> Facts:
    """What the times of kernels depend on: shared by all plans of a library on a device. Raises as `plan_facts`."""
    return {"kind": "timings", **_where(library, BuildSettings(), device)}


def _where(library: Library, settings: BuildSettings, device: DeviceFacts | None) -> dict[str, str]:
    """What runs the plan."""
    facts = {"library": str(library), "platform": f"{sys.platform} {platform.machine()}"}
    if library.is_rtx:
        return {**facts, "gpu": ANY, "driver": ANY}
    if device is None:
        raise EngineFault(f"{library}: builds only for the GPU at hand, and there is none")
    capability = f"compute capability {device.compute_capability}"
    if settings.hardware_compatible:
        return {**facts, "gpu": capability, "driver": device.driver_version}
    gpu = f"{device.name}, {capability}, {device.memory_bytes >> 20} MiB"
    return {**facts, "gpu": gpu, "driver": device.driver_version}
