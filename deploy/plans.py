"""A TensorRT plan for this box, had outside a daemon: built, from the engine cache, or from a file of another box."""

import contextlib
import os
import signal
import tempfile
import threading
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
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
"""Whose handlers raise."""


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


class _Cancelled(Exception):
    """Raised in the builder's thread, so that the library stops."""


class _Builder:
    """A build in a thread of its own, which is where the handlers of signals never run.

    In the main thread they would raise where the library calls back, and the library swallows what is raised there.
    """

    def __init__(self, order: PlanOrder, cache: EngineCache | None, watch: Watch) -> None:
        self.built = False
        self._order, self._cache, self._watch = order, cache, watch
        self._stop, self._ended = threading.Event(), threading.Event()
        self._waits = False
        self._plan = b""
        self._error: BaseException | None = None

    def run(self) -> bytes:
        """The plan, or what was raised instead; raised here (Ctrl-C, SIGTERM), the build is stopped first."""
        thread = threading.Thread(target=self._work, name="build-engine", daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        thread.start()  # undisturbed: from here on there is something to stop
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._ended.wait()  # not `join`, which takes a thread for ended once a signal broke in
        except BaseException:
            self._stop.set()
            if not self._waits:  # whoever waits for another process has nothing to stop
                self._ended.wait()
            raise
        if self._error is not None:
            raise self._error
        return self._plan

    def waiting(self) -> None:
        """Pass on; see `Watch`."""
        self._waits = True
        self._watch.waiting()

    def building(self, phase: str, share: float) -> None:
        """Pass on; see `Watch`."""
        if self._stop.is_set():
            raise _Cancelled
        self.built, self._waits = True, False
        self._watch.building(phase, share)

    def _work(self) -> None:
        order = self._order
        try:
            self._plan = obtained_plan(
                order.bundle, order.library, order.settings, order.device, self._cache, self
            )
        except BaseException as err:  # raised where the plan is wanted
            self._error = err
        finally:
            self._ended.set()


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
    builder = _Builder(order, cache, watch)
    plan = builder.run()
    if cache is not None and builder.built and cache.get(order.facts) is None:
        cache.keep(order.facts, [plan])  # it was refused before: say why
    return Result(plan, "built" if builder.built else "kept")


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
