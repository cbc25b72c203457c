"""Watches the illuminations of the runs that are open: what is said of a frame comes from the frames before it.

Belongs to the prepare thread. A frame is looked at only after its cells have left for the engine, so that watching
costs no frame any latency. Remembers a bounded number of runs, those that were quiet longest are forgotten; what it
knew of a run is not in the journal, so a run that goes on after a restart begins undecided.
"""

import logging
from collections import OrderedDict
from typing import Final

from phenostream.daemon.logs import about
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.optics.orientation import Fault
from phenostream.engine.optics.orientation_window import OrientationWindow
from phenostream.engine.types import Reduced

logger = logging.getLogger(__name__)

_MOST_RUNS: Final = 64


class Orientations:
    """One window a run."""

    def __init__(self) -> None:
        """Know no run."""
        self._windows: OrderedDict[str, OrientationWindow] = OrderedDict()
        self._said: dict[str, set[Fault]] = {}
        self._states: dict[str, Fault] = {}
        self._waiting: tuple[Start, OrientationWindow, Reduced] | None = None

    def states(self) -> dict[str, Fault]:
        """What is known of each run; may be called from any thread."""
        return self._states.copy()

    def state(self, start: Start, true_shots: tuple[str, ...], reduced: Reduced) -> Fault:
        """What the frames of the run so far say; keeps this one for `look`, if it is wanted."""
        window = self._windows.get(start.run)
        if window is None:
            window = self._windows[start.run] = OrientationWindow(true_shots)
            if len(self._windows) > _MOST_RUNS:
                run, _ = self._windows.popitem(last=False)
                self._said.pop(run, None)
                self._states.pop(run, None)
        self._windows.move_to_end(start.run)
        state = self._states[start.run] = window.state
        self._waiting = (start, window, reduced) if window.wants_next() else None
        return state

    def look(self) -> None:
        """Look at the frame that was kept, if one was, and tell the log of a fault: once per run and fault."""
        if self._waiting is None:
            return
        start, window, reduced = self._waiting
        self._waiting = None
        window.look(reduced)
        self._states[start.run] = window.state
        verdict = window.verdict
        said = self._said.setdefault(start.run, set())
        if verdict is None or verdict.fault in said or (verdict.fault == "ok" and not said):
            return
        said.add(verdict.fault)
        tell = logger.info if verdict.fault == "ok" else logger.warning
        tell(
            "run %s of %s: orientation %s: %s (%.0f cells; `phenostream check-orientation` on a recording tells more)",
            start.run,
            start.instrument,
            verdict.fault,
            verdict.text,
            verdict.cells,
            extra=about(start.run, start.instrument),
        )
