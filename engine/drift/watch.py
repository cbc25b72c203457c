"""Follows one run, window by window, and says when a quantity has drifted and when it no longer has.

A window is a least number of frames and cells; each is compared as a whole with every baseline (`shifts`). An alarm
opens when a quantity is beyond its tolerance in the same direction in two windows in a row, and closes when it is not
in two in a row, or was in none of five: one odd window, a clump under the objective, is none. Pure: frames in, alarms
out; no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from phenostream.engine.drift.quantities import Quantity, Tolerances
from phenostream.engine.drift.shifts import Shift, shifts
from phenostream.engine.drift.sums import F64, Sums
from phenostream.engine.summary.drifted import DriftAgainst

CONFIRMED: Final = 2
"""Windows in a row that open an alarm, or close it."""
FORGOTTEN: Final = 5
"""Windows in a row in which its quantity cannot be tested, which close an alarm too: nothing more is known of it."""
LONGEST: Final = 20
"""A window ends after so many times its least frames whatever cells there are: that there are none is worth a look."""


@dataclass(frozen=True, slots=True, eq=False)
class DriftBaseline:
    """What a run is compared with.

    Attributes:
        against: ``training``: what the bundle says of its training; ``previous_run``: the instrument's run before this
            one; ``reference``: a saved population.
        name: Of the run, or of the reference; empty for the training.
        sums: Its frames; None where nothing can be compared.
        obstacle: Why not, one line; None where it can.
    """

    against: DriftAgainst
    name: str
    sums: Sums | None
    obstacle: str | None = None


TOLERANCES: Final = Tolerances()


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a window ends, and what is too far."""

    least_frames: int = 20
    least_cells: int = 500
    tolerances: Tolerances = TOLERANCES


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """An alarm that opened or closed, with the shift of the window that decided it.

    One that closes with a shift that is beyond is forgotten: the last that was seen, before it could not be tested.
    """

    against: DriftAgainst
    shift: Shift
    opened: bool


@dataclass(slots=True)
class Standing:
    """How a run stands to one baseline.

    Attributes:
        baseline: Which.
        last: Of the last window; empty before one ended.
        alarms: Open ones, by code, with the shift that was found last.
    """

    baseline: DriftBaseline
    last: tuple[Shift, ...] = ()
    alarms: dict[str, Shift] = field(default_factory=dict)
    _streaks: dict[str, int] = field(default_factory=dict)
    _calm: dict[str, int] = field(default_factory=dict)
    _untested: dict[str, int] = field(default_factory=dict)

    def look(self, found: tuple[Shift, ...]) -> list[AlarmChange]:
        """Take what a window showed; quantities that it could not test stay as they were for `FORGOTTEN` windows."""
        self.last = found
        changes = [change for one in found if (change := self._follow(one)) is not None]
        return changes + self._forgotten({one.quantity.code for one in found})

    def _forgotten(self, tested: set[str]) -> list[AlarmChange]:
        """Alarms of which nothing was known for too long; they are closed."""
        self._untested = {
            code: self._untested.get(code, 0) + 1 for code in self.alarms if code not in tested
        }
        gone = [code for code, windows in self._untested.items() if windows >= FORGOTTEN]
        for code in gone:
            self._streaks[code] = 0
        return [
            AlarmChange(self.baseline.against, self.alarms.pop(code), opened=False) for code in gone
        ]

    def _follow(self, shift: Shift) -> AlarmChange | None:
        code, against = shift.quantity.code, self.baseline.against
        streak = self._streaks.get(code, 0)
        if not shift.beyond:
            self._streaks[code] = 0
            self._calm[code] = self._calm.get(code, 0) + 1
            if code in self.alarms and self._calm[code] >= CONFIRMED:
                del self.alarms[code]
                return AlarmChange(against, shift, opened=False)
            return None
        way = 1 if shift.difference > 0 else -1
        self._calm[code] = 0
        self._streaks[code] = streak + way if streak * way > 0 else way
        if code in self.alarms:
            self.alarms[code] = shift
        elif abs(self._streaks[code]) >= CONFIRMED:
            self.alarms[code] = shift
            return AlarmChange(against, shift, opened=True)
        return None


class Watch:
    """One run of one model.

    Attributes:
        quantities: In the order of the sums.
        standings: One per baseline.
        whole: All frames so far.
        windows: That have ended.
    """

    def __init__(
        self,
        quantities: tuple[Quantity, ...],
        baselines: Sequence[DriftBaseline],
        settings: WatchSettings,
    ) -> None:
        """Nothing was seen yet."""
        self.quantities = quantities
        self.standings = [Standing(one) for one in baselines]
        self.whole = Sums(len(quantities))
        self.windows = 0
        self._settings = settings
        self._window = Sums(len(quantities))

    def add(self, x: F64, n: F64) -> list[AlarmChange]:
        """Take one frame (see `frame_values`); the alarms that opened or closed with it, where it ends a window."""
        self._window.add(x, n)
        self.whole.add(x, n)
        if not self._is_over():
            return []
        window, self._window = self._window, Sums(len(self.quantities))
        self.windows += 1
        return [
            change
            for standing in self.standings
            for change in standing.look(self._compared(standing.baseline, window))
        ]

    def of_the_run(self, against: DriftAgainst) -> tuple[Shift, ...]:
        """All frames so far against one baseline, in one comparison."""
        return tuple(
            shift
            for standing in self.standings
            if standing.baseline.against == against
            for shift in self._compared(standing.baseline, self.whole)
        )

    def codes(self) -> list[str]:
        """Open alarms, such as ``training:rejected``, in order."""
        return sorted(
            f"{standing.baseline.against}:{code}"
            for standing in self.standings
            for code in standing.alarms
        )

    def _compared(self, baseline: DriftBaseline, now: Sums) -> tuple[Shift, ...]:
        if baseline.sums is None:
            return ()
        return shifts(baseline.sums, now, self.quantities, self._settings.tolerances)

    def _is_over(self) -> bool:
        frames, least = self._window.frames, self._settings.least_frames
        if frames < least:
            return False
        return self._window.weight(0) >= self._settings.least_cells or frames >= LONGEST * least
