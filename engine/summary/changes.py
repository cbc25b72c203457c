"""What a summary may say of a change: one population against another, quantity by quantity, with the test's verdict.

Frozen values; `comparing` computes them. The tests take cells as independent, which those of one frame are not quite
(focus, light and a donor's clumps are shared), so what they show is claimed only where it also stands out against the
spread between frames. The intervals and sizes that are told take cells as independent.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from phenostream.engine.summary.quantities import (
    MOST_CLASSES,
    MOST_MARKERS,
    Count,
    Difference,
    Flag,
    Name,
    Real,
    Share,
)

Against = Literal["previous", "reference"]
Quantity = Literal["class", "rejected", "unusual"]
Verdict = Literal["up", "down", "unclear", "too_few"]
"""``up``, ``down``: the test shows it at the comparison's level. ``unclear``: it shows no change, which is not the same
as no change; nor can it where frames are too few. ``too_few``: fewer cells than the test needs, nothing is claimed."""
Obstacle = Literal["another model", "no cells"]


@dataclass(frozen=True, slots=True)
class ShareChange:
    """A share here against the same share there; the test is the two-sided score test of two proportions.

    Attributes:
        of: ``class``: of the classified cells. ``rejected``: of classified + rejected. ``unusual``: of the classified.
        name: Of the class; empty for the other two.
        before: The share there; 0 of nothing.
        now: The share here; 0 of nothing.
        low: Lower end of the 95 % interval of now - before (Newcombe 1998, method 10), of this share by itself.
        high: Upper end.
        p: Of the test, or of the spread between frames where that is larger, adjusted for all tests of the summary
            (Holm 1979); None where there was no test.
        verdict: `Verdict`.
    """

    of: Quantity
    name: Name
    before: Share
    now: Share
    low: Difference
    high: Difference
    p: Share | None
    verdict: Verdict

    @property
    def difference(self) -> float:
        """Now - before."""
        return self.now - self.before


@dataclass(frozen=True, slots=True)
class MarkerChange:
    """A marker of one class here against there; the test is Mann-Whitney's, two-sided, corrected for ties.

    Attributes:
        class_name: As in the manifest.
        name: Of the marker, likewise.
        before: Median there, in the marker unit; None without cells.
        now: Median here; None without cells.
        superiority: Probability that a cell from here has the larger estimate than one from there, ties counting half;
            0.5: neither. None without cells.
        p: Of the test, or of the spread between frames where that is larger, adjusted for all tests of the summary
            (Holm 1979); None where there was no test.
        verdict: `Verdict`: ``up`` where the superiority is above a half.
    """

    class_name: Name
    name: Name
    before: Real | None
    now: Real | None
    superiority: Share | None
    p: Share | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """These cells against those of one other population.

    Attributes:
        against: ``previous``: the run's window before this one, of the same model. ``reference``: a saved one.
        name: Of the reference; empty for the window before.
        frames: Frames there.
        classified: Classified cells there.
        synthetic: The cells there are simulated.
        obstacle: Why nothing is compared; None: it was.
        alpha: Largest probability that any verdict of the summary is a false alarm, were cells independent.
        tests: How many were made in the whole summary, over all its comparisons.
        shares: One per class, and ``rejected`` and ``unusual`` where the model tells them; empty with an obstacle.
        markers: One per class and marker; empty with an obstacle.
    """

    against: Against
    name: Name
    frames: Count
    classified: Count
    synthetic: Flag
    obstacle: Obstacle | None
    alpha: Share
    tests: Count
    shares: Annotated[tuple[ShareChange, ...], Field(max_length=MOST_CLASSES + 2)]
    markers: Annotated[tuple[MarkerChange, ...], Field(max_length=MOST_CLASSES * MOST_MARKERS)]

    @property
    def changes(self) -> tuple[ShareChange | MarkerChange, ...]:
        """All that was compared, shares first."""
        return (*self.shares, *self.markers)

    @property
    def changed(self) -> bool:
        """Some quantity is up or down."""
        return any(one.verdict in ("up", "down") for one in self.changes)
