"""Follows the illuminations of one run: what its last couple of hundred cells say, and whether that has changed.

Every frame is looked at until the verdict stands on a full window, then every eighth: wiring changes when somebody
touches the microscope. A new verdict must hold for half a window, because while the old cells fade the mean dipole
passes through other faults' values. Pure: one instance per run, frames in their order. How often it is wrong, and how
soon it sees a change: docs/measurements/orientation.md.
"""

from typing import Final

from phenostream.engine.optics.diagnosis import diagnose
from phenostream.engine.optics.dipole_sums import DipoleSums
from phenostream.engine.optics.dipoles import measure_dipoles
from phenostream.engine.optics.orientation import Fault, Orientation
from phenostream.engine.types import SHOTS, Reduced

WINDOW_CELLS: Final = 200.0
HOLD_CELLS: Final = 100
"""A change of verdict is told when so many cells have stood by it; `undecided` meanwhile."""
LEAST_CELLS: Final = 20
LEAST_MARGIN: Final = 4.0
"""A run is judged again with every frame: each verdict must be clearer than that of a single check."""
MOST_CELLS_A_FRAME: Final = 64
"""The cells that shade most; they bound the cost of a crowded frame."""
SETTLED_EVERY: Final = 8


class OrientationWindow:
    """One run's illuminations."""

    def __init__(self, present: tuple[str, ...] = SHOTS) -> None:
        """Start undecided.

        Args:
            present: The shots of the run's frames, of `SHOTS`.
        """
        self._present = present
        self._sums = DipoleSums(WINDOW_CELLS)
        self._frames = 0
        self._looked_cells = 0
        self._verdict: Orientation | None = None
        self._held_cells = 0
        self._decided = False

    @property
    def state(self) -> Fault:
        """What the frames so far say."""
        told = self._verdict
        if told is None or not told.decided:
            return "undecided"
        return told.fault if self._stands else "undecided"

    @property
    def verdict(self) -> Orientation | None:
        """The verdict behind `state`; None while there is none."""
        return self._verdict if self.state != "undecided" else None

    @property
    def _stands(self) -> bool:
        return not self._decided or self._held_cells >= HOLD_CELLS

    def wants_next(self) -> bool:
        """Count one more frame; whether it should be looked at."""
        self._frames += 1
        settled = self.state != "undecided" and self._looked_cells >= WINDOW_CELLS
        return not settled or self._frames % SETTLED_EVERY == 0

    def look(self, reduced: Reduced) -> None:
        """Take the cells of a frame into account."""
        cells = measure_dipoles(reduced, MOST_CELLS_A_FRAME)
        self._sums.add(cells)
        self._looked_cells += len(cells)
        told = diagnose(
            self._sums.mean(), self._present, least_cells=LEAST_CELLS, least_margin=LEAST_MARGIN
        )
        before = self._verdict
        if before is None or before.fault != told.fault:
            self._decided |= before is not None and before.decided
            self._held_cells = 0
        self._held_cells += len(cells)
        self._verdict = told
