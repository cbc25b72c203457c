"""How far a build has come, of a library that reports phases within phases; and stopping it from outside.

The library calls in from its own code, through which no exception finds its way: what a watch raises is held, the build
is cancelled, and the exception goes on where the library ends. A signal's handler that raises does so at the very
entrance of a call, where nothing can hold it, and the library swallows it: build in a thread that is not the main one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from phenostream.engine.backends.tensorrt.library import Library

_DEEPEST: Final = 8


class Watch(Protocol):
    """Who is told how a plan is coming along."""

    def waiting(self) -> None:
        """Another process builds in the same cache; its plan may be the one that is wanted."""
        ...

    def building(self, phase: str, share: float) -> None:
        """A phase began or advanced; `share` of the whole, 0 to 1, never falls. Raising cancels the build."""
        ...


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Progress:
    """Phases within phases as one share of the whole, with an exception that came up meanwhile.

    Attributes:
        raised: What `tell` raised; the build is cancelled and whoever started it raises this.
    """

    def __init__(self, tell: Callable[[str, float], None]) -> None:
        self.raised: BaseException | None = None
        self._tell = tell
        self._phases: dict[str, _Phase] = {}
        self._share = 0.0

    def started(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins."""
        self._phases[name] = _Phase(parent, max(1, steps))
        self._say(name)

    def stepped(self, name: str, step: int) -> bool:
        """A phase finished its step number `step`; False: stop."""
        if name in self._phases:
            self._phases[name].done = step + 1
        self._say(name)
        return self.raised is None

    def finished(self, name: str) -> None:
        """A phase ended, also where the build was cancelled."""
        self._phases.pop(name, None)

    def _say(self, name: str) -> None:
        if self.raised is not None:
            return
        try:
            self._share = max(self._share, min(1.0, self._share_of_all(name)))
            self._tell(name, self._share)
        except BaseException as err:  # nothing may pass through the library
            self.raised = err

    def _share_of_all(self, name: str) -> float:
        """Share of the outermost phase that is done, as seen from one inside it."""
        share, at = 0.0, name
        for _ in range(_DEEPEST):
            phase = self._phases.get(at)
            if phase is None:  # a parent that was never announced: nothing is known of the whole
                return 0.0
            share = min(1.0, (phase.done + share) / phase.steps)
            if phase.parent is None:
                return share
            at = phase.parent
        return 0.0


def monitor(library: Library, progress: Progress) -> Any:
    """What the library calls to report; it must live until the build ends."""
    base: Any = library.trt.IProgressMonitor

    class Monitor(base):  # type: ignore[misc]  # a base that is known only now
        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.started(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.stepped(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            progress.finished(phase_name)

    return Monitor()
