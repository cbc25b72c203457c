"""Where a swap of the model stands, as everybody may ask: what was wanted, how far it is, what was found, why it ended.

Written by the thread of the swap, read by any. Knows no model and no backend, only what is told of them.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

State = Literal[
    "none",
    "loading",
    "testing",
    "comparing",
    "probation",
    "serving",
    "refused",
    "rolled_back",
    "cancelled",
]
UNDER_WAY: Final[frozenset[State]] = frozenset({"loading", "testing", "comparing", "probation"})
"""`loading`: the bundle is read and verified and the backend opened. `testing`: golden crops, and whether it fits what
this daemon does. `comparing`: it infers live cells beside the model that serves, and nobody sees its answers.
`probation`: it serves, the model before it is still warm. `serving`: it serves, the one before it is closed."""


@dataclass(frozen=True, slots=True)
class SwapSettings:
    """What is asked of a model before and after it goes live.

    Attributes:
        bundle: Its folder, on the daemon's own box; absolute.
        cells: Live cells to compare before the flip.
        min_agreement: Least share of them with the same decision: the same class, or rejected by both.
        max_marker_shift: Largest mean difference of a marker, in standard deviations of the serving model's targets.
        max_slowdown: Largest ratio of the time a cell takes, new to old.
        wait_s: Longest time to wait for `cells`, and the longest probation.
        now: Flip without a comparison; then only a fault takes the model back.
    """

    bundle: Path
    cells: int = 2000
    min_agreement: float = 0.98
    max_marker_shift: float = 0.1
    max_slowdown: float = 1.5
    wait_s: float = 600.0
    now: bool = False

    def told(self) -> dict[str, Any]:
        """Plain values, without the bundle."""
        return {
            "cells": self.cells,
            "min_agreement": self.min_agreement,
            "max_marker_shift": self.max_marker_shift,
            "max_slowdown": self.max_slowdown,
            "wait_s": self.wait_s,
            "now": self.now,
        }


@dataclass(frozen=True, slots=True)
class Swap:
    """One swap, as it stands; plain values inside.

    Attributes:
        number: 1 for the first since the daemon started; 0: there was none.
        model: Of the new model, as far as it is known: name, version, sha256, signed_by, backend, device, precision.
        before: The same of the model that served when the swap was asked for.
        reason: Why it was refused, rolled back or cancelled.
        cells: Live cells compared so far.
        frames: Frames the new model has served during its probation.
        of_frames: How many its probation has.
        report: What the comparison found; see `Comparison.told`.
        probation: What the probation found: the same report, with the models in each other's place.
        standing_by: The model that is still warm and can take over at once.
    """

    number: int = 0
    state: State = "none"
    settings: SwapSettings | None = None
    model: dict[str, Any] | None = None
    before: dict[str, Any] | None = None
    reason: str | None = None
    cells: int = 0
    frames: int = 0
    of_frames: int = 0
    report: dict[str, Any] | None = None
    probation: dict[str, Any] | None = None
    standing_by: dict[str, Any] | None = None
    began_utc_ns: int = 0
    changed_utc_ns: int = 0
    began_s: float = 0.0
    changed_s: float = 0.0

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.state in UNDER_WAY

    def told(self, now_s: float) -> dict[str, Any]:
        """For the control service; plain values.

        Args:
            now_s: Monotonic clock.
        """
        settings = self.settings
        ended_s = now_s if self.under_way else self.changed_s
        return {
            "number": self.number,
            "state": self.state,
            "under_way": self.under_way,
            "reason": self.reason,
            "bundle": None if settings is None else str(settings.bundle),
            "asked": None if settings is None else settings.told(),
            "model": self.model,
            "before": self.before,
            "standing_by": self.standing_by,
            "progress": {
                "cells": self.cells,
                "of_cells": 0 if settings is None or settings.now else settings.cells,
                "frames": self.frames,
                "of_frames": self.of_frames,
            },
            "report": self.report,
            "probation": self.probation,
            "began_utc_ns": self.began_utc_ns,
            "changed_utc_ns": self.changed_utc_ns,
            "elapsed_s": round(ended_s - self.began_s, 3),
            "in_state_s": round(now_s - self.changed_s, 3),
        }


class SwapState:
    """The newest swap. Safe from any thread; one thread writes."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = Lock()
        now_s = time.monotonic()
        self._swap = Swap(began_s=now_s, changed_s=now_s)

    @property
    def now(self) -> Swap:
        """As it stands."""
        with self._lock:
            return self._swap

    def begin(self, settings: SwapSettings, before: dict[str, Any]) -> Swap | None:
        """A new swap is under way; None where one is already."""
        with self._lock:
            if self._swap.under_way:
                return None
            self._swap = _stamped(
                Swap(
                    self._swap.number + 1,
                    settings=settings,
                    before=before,
                    began_utc_ns=time.time_ns(),
                    began_s=time.monotonic(),
                ),
                "loading",
            )
            return self._swap

    def enter(self, state: State, **found: Any) -> None:
        """The swap goes on to a state, or ends in it; see `Swap` for what may have been found."""
        with self._lock:
            self._swap = _stamped(replace(self._swap, **found), state)

    def note(self, **found: Any) -> None:
        """Something was found; the state is the same."""
        with self._lock:
            self._swap = replace(self._swap, **found)

    def told(self) -> dict[str, Any]:
        """See `Swap.told`."""
        return self.now.told(time.monotonic())


def _stamped(swap: Swap, state: State) -> Swap:
    return replace(swap, state=state, changed_utc_ns=time.time_ns(), changed_s=time.monotonic())
