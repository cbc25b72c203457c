"""A TensorRT plan for this box, had outside a daemon: built, from the engine cache, or from a file of another box."""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from phenostream.engine.backends.driver import DeviceFacts, cuda_devices, device_facts
from phenostream.engine.backends.tensorrt.build import BuildSettings
from phenostream.engine.backends.tensorrt.library import LIBRARIES, Library, import_library
from phenostream.engine.backends.tensorrt.plan import obtained_plan, plan_facts
from phenostream.engine.backends.tensorrt.plan_file import MOST_BYTES, sealed_plan, taken_plan
from phenostream.engine.backends.tensorrt.progress import Watch
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import EngineCache, Facts
from phenostream.engine.errors import BadInput, MissingPackage

Origin = Literal["built", "kept", "taken"]
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """A plan that is wanted.

    Attributes:
        bundle: What it is made of.
        library: What builds and runs it.
        settings: What for.
        device: The box's GPU; None where there is none.
    """

    bundle: Bundle
    library: Library
    settings: BuildSettings
    device: DeviceFacts | None

    @property
    def facts(self) -> Facts:
        """All that the plan depends on; raises as `plan_facts`."""
        return plan_facts(self.bundle, self.library, self.settings, self.device)

    @property
    def is_daemons(self) -> bool:
        """Whether a daemon with this bundle and library would look for just this plan."""
        return self.settings == BuildSettings(self.settings.precision)


@dataclass(frozen=True, slots=True)
class Result:
    """A plan and where it is from: built now, kept in the cache (by whomever built it), or taken from a file."""

    plan: bytes
    origin: Origin


class _Noticing:
    """Passes on what is told of a build, and remembers that there was one."""

    def __init__(self, inner: Watch) -> None:
        self.built = False
        self._inner = inner

    def waiting(self) -> None:
        """Pass on."""
        self._inner.waiting()

    def building(self, phase: str, share: float) -> None:
        """Pass on."""
        self.built = True
        self._inner.building(phase, share)


def settled_library(name: str | None) -> Library:
    """The library of that name; where none is given, TensorRT itself if it is installed and has a device, else RTX.

    Raises:
        MissingPackage: It, or either of them, is not installed.
    """
    if name is not None:
        return import_library(name)
    names = LIBRARIES if cuda_devices() else LIBRARIES[::-1]
    for name in names:
        with contextlib.suppress(MissingPackage):
            return import_library(name)
    raise MissingPackage(
        f"neither {' nor '.join(LIBRARIES)} is installed: pip install 'phenostream[gpu]' or 'phenostream[rtx]'"
    )


def present_device() -> DeviceFacts | None:
    """The box's first GPU, if it has one."""
    return device_facts() if cuda_devices() else None


def fetched(order: PlanOrder, cache: EngineCache | None, watch: Watch) -> Result:
    """The plan from the cache, or built and kept there.

    Raises:
        EngineFault: The cache does not keep it; else as `obtained_plan`.
    """
    noticing = _Noticing(watch)
    plan = obtained_plan(order.bundle, order.library, order.settings, order.device, cache, noticing)
    if cache is not None and noticing.built and cache.get(order.facts) is None:
        cache.keep(order.facts, [plan])  # it was refused before: say why
    return Result(plan, "built" if noticing.built or cache is None else "kept")


def taken(order: PlanOrder, path: Path, cache: EngineCache) -> Result:
    """The plan of a file, if it fits this box, kept as if it had been built here.

    Raises:
        BadInput: It cannot be read, or is not a whole plan of just this; the text says what differs.
        EngineFault: The cache does not keep it.
    """
    try:
        plan = taken_plan(_read(path), order.bundle, order.library, order.settings, order.device)
    except BadInput as err:
        raise BadInput(f"{path}: {err}") from err
    cache.keep(order.facts, [plan])
    return Result(plan, "taken")


def hand_on(order: PlanOrder, plan: bytes, path: Path) -> None:
    """Write a plan file, whole or not at all.

    Raises:
        BadInput: It cannot be written.
    """
    scratch = None
    try:
        descriptor, scratch = tempfile.mkstemp(prefix=".plan-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(sealed_plan(order.facts, plan))
            os.fchmod(descriptor, _MODE)
            file.flush()
            os.fsync(descriptor)
        os.replace(scratch, path)
    except OSError as err:
        if scratch is not None:
            with contextlib.suppress(OSError):
                os.unlink(scratch)
        raise BadInput(f"{path}: cannot be written ({(err.strerror or str(err)).lower()})") from err


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as err:
        raise BadInput(f"cannot be read ({(err.strerror or str(err)).lower()})") from err
    if len(content) > MOST_BYTES:
        raise BadInput(f"larger than the {MOST_BYTES} bytes that a plan may have")
    return content
