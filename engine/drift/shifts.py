"""Whether quantities lie further from what they are compared with than they may: a test of each, at one level.

The claim is not that something differs (in the end everything does) but that it differs by more than its tolerance. A
difference d with standard error e, from the spread between frames, is tested against the tolerance T: the tails of a t
beyond (|d| - T) / e on the one side and (|d| + T) / e on the other, which is how often a true difference of T looks as
large. While the true difference is within T that alarms at most as often as the level says, whatever the number of
frames. The spread is taken in two ways, and the less sure answer counts: of each side by itself (Welch 1947), and of
both together (Student), since a window in which a rare thing did not happen has no spread of its own and would be taken
for sure (docs/measurements/drift.md). What both have in common is a variance per frame or per cell, whichever makes the
difference less sure: frames of one side may hold many more cells than those of the other. All tests of one comparison
are adjusted together (Holm 1979). Frames are taken as independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from phenostream.engine.drift.quantities import Quantity, Tolerances
from phenostream.engine.drift.sums import Sums
from phenostream.engine.summary.comparing import adjusted
from phenostream.engine.summary.spread import Estimate, welch_freedom
from phenostream.engine.summary.student import tails

ALPHA: Final = 0.01
"""Of all tests of one comparison together: were every true difference at most its tolerance, one comparison in a
hundred would find a quantity beyond it."""
LEAST_CELLS: Final = 30.0
"""Of a quantity on each side; of fewer cells nothing is said."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One quantity against what it is compared with.

    Attributes:
        quantity: Which.
        before: There; shares from 0 to 1, z, standard deviations, or the logarithm of a level.
        now: Here.
        tolerance: In the same scale.
        p: Of the test that the difference is no more than the tolerance, adjusted.
        beyond: The test shows that it is more.
    """

    quantity: Quantity
    before: float
    now: float
    tolerance: float
    p: float
    beyond: bool

    @property
    def difference(self) -> float:
        """Now - before."""
        return self.now - self.before


def shifts(
    before: Sums, now: Sums, quantities: Sequence[Quantity], tolerances: Tolerances
) -> tuple[Shift, ...]:
    """Every quantity that can be tested: known on both sides, of enough cells and frames."""
    tested: list[tuple[Quantity, _Side, _Side]] = []
    for row, quantity in enumerate(quantities):
        least = 0.0 if quantity.kind == "brightness" else LEAST_CELLS
        if min(before.weight(row), now.weight(row)) < least:
            continue
        there, here = before.estimate(row), now.estimate(row)
        if there is not None and here is not None:
            sides = _Side(there, before.weight(row)), _Side(here, now.weight(row))
            tested.append((quantity, *sides))
    allowed = [tolerances.of(quantity) for quantity, _, _ in tested]
    found = [
        _beyond(there, here, most) for (_, there, here), most in zip(tested, allowed, strict=True)
    ]
    return tuple(
        Shift(quantity, there.told.value, here.told.value, most, p, p <= ALPHA)
        for (quantity, there, here), most, p in zip(tested, allowed, adjusted(found), strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """What one side says of a quantity, and of how many cells, or frames of a brightness."""

    told: Estimate
    weight: float


def _beyond(before: _Side, now: _Side, tolerance: float) -> float:
    """Probability, at most, of a difference as large as this where the true one is no more than the tolerance."""
    found = abs(now.told.value - before.told.value)
    if found <= tolerance:
        return 1.0
    apart = before.told.variance + now.told.variance
    if apart <= 0:
        return 0.0
    freedom = before.told.frames + now.told.frames - 2

    def chance(variance: float, freedom: float) -> float:
        near, far = (
            tails((found + side * tolerance) / sqrt(variance), freedom) for side in (-1, 1)
        )
        return (near + far) / 2

    return max(
        chance(apart, welch_freedom(before.told, now.told)), chance(_together(before, now), freedom)
    )


def _together(before: _Side, now: _Side) -> float:
    """Variance of the difference where frames, or else cells, of both sides spread alike: the larger of the two."""

    def pooled(sizes: tuple[float, float]) -> float:
        squares = freedom = 0.0
        for one, size in zip((before.told, now.told), sizes, strict=True):
            squares += one.variance * size * (one.frames - 1)
            freedom += one.frames - 1
        return squares / freedom * sum(1 / size for size in sizes)

    return max(pooled((before.told.frames, now.told.frames)), pooled((before.weight, now.weight)))
