"""Tests of change between two populations, from their tallies: what a summary may call higher, lower or unclear.

Shares are compared by the two-sided score test of two proportions and told with the interval of Newcombe (Statistics
in Medicine 17, 1998, 873-890, method 10). The markers of a class are compared by the Mann-Whitney test on the
histograms of z, corrected for ties: exact to the histogram's step, and the same in z and in the marker unit, which is
monotone in z. All tests of one summary are adjusted together (Holm, Scandinavian Journal of Statistics 6, 1979, 65-70).

Those tests take cells as independent, which those of one frame are not quite. So a change is claimed only where it also
stands out against the spread between frames (`spread`): the probability that is adjusted and told is the larger of the
two, and windows of few frames show nothing (docs/decisions/0037). Pure: which populations are compared is the
caller's affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt
from typing import Final

import numpy as np

from phenostream.engine.postprocess import CLASSIFIED, REJECTED
from phenostream.engine.summary.changes import (
    Against,
    Comparison,
    MarkerChange,
    Obstacle,
    Quantity,
    ShareChange,
    Verdict,
)
from phenostream.engine.summary.facts import Facts, MarkerFacts, wilson_interval
from phenostream.engine.summary.histogram import Histogram, percentile, quantile
from phenostream.engine.summary.spread import REJECTED_ROW, UNUSUAL_ROW, spread_test
from phenostream.engine.summary.window import Tally, WindowStatistics

ALPHA: Final = 0.01
"""Of all tests of a summary together: were cells independent, one summary in a hundred would call something changed
that is not. With a window a minute, 0.05 would cry wolf every twenty minutes."""
LEAST_CELLS: Final = 30
"""Of each side of a comparison of shares, and of a class on each side for its markers; below, nothing is claimed. At
the level of one of 17 tests the normal approximation of U is conservative from here on: 0.7 to 0.9 of the level."""
LEAST_EXPECTED: Final = 10.0
"""Cells that each cell of the two-by-two table must expect, or shares are not tested. At the level of one of 17 tests
the score test then exceeds it by a factor of 1.4 at most; with 5, which is usual at a level of 0.05, by 1.9."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Another population to compare with.

    Attributes:
        against: Which of the two it is.
        statistics: Its cells, and what its numbers mean.
        name: Of a reference.
        model_sha256: Of the model that saw it; empty where that is not known.
    """

    against: Against
    statistics: WindowStatistics
    name: str = ""
    model_sha256: str = ""


@dataclass(frozen=True, slots=True)
class _Tested:
    """A change before its probability is adjusted; `up` says which way it would be."""

    change: ShareChange | MarkerChange
    p: float | None
    up: bool


def with_comparisons(
    facts: Facts,
    statistics: WindowStatistics,
    baselines: Sequence[Baseline] = (),
    run_so_far: Tally | None = None,
) -> Facts:
    """The same facts, told against other populations.

    Args:
        facts: Of `statistics`.
        statistics: The cells.
        baselines: To compare with, each `against` at most once; one of another model is named, not compared.
        run_so_far: The run's cells of the same model before these, for the percentiles; None: there are none.
    """
    reference = next((one for one in baselines if one.against == "reference"), None)
    among = None
    if reference is not None and _obstacle(facts, statistics, reference) is None:
        among = reference.statistics.tally
    placed = tuple(
        replace(
            one,
            markers=tuple(
                _placed(marker, statistics.tally.z[k, m], _of(run_so_far, k, m), _of(among, k, m))
                for m, marker in enumerate(one.markers)
            ),
        )
        for k, one in enumerate(facts.classes)
    )
    return replace(facts, classes=placed, comparisons=_comparisons(facts, statistics, baselines))


def share_interval(before: tuple[int, int], now: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of the difference now - before of two independent shares, each (count, total)."""
    before_low, before_high = wilson_interval(*before)
    now_low, now_high = wilson_interval(*now)
    one, other = _ratio(*now), _ratio(*before)
    difference = one - other
    below = sqrt((one - now_low) ** 2 + (before_high - other) ** 2)
    above = sqrt((now_high - one) ** 2 + (other - before_low) ** 2)
    return max(-1.0, difference - below), min(1.0, difference + above)


def share_test(before: tuple[int, int], now: tuple[int, int]) -> float | None:
    """Two-sided probability of the score test that two shares are one; None where there are too few cells for it."""
    totals = before[1], now[1]
    if min(totals) < LEAST_CELLS:
        return None
    pooled = (before[0] + now[0]) / sum(totals)
    if min(totals) * min(pooled, 1 - pooled) < LEAST_EXPECTED:
        return None
    variance = pooled * (1 - pooled) * (1 / totals[0] + 1 / totals[1])
    return _two_sided((_ratio(*now) - _ratio(*before)) / sqrt(variance))


def rank_test(before: Histogram, now: Histogram) -> tuple[float | None, float | None]:
    """Whether the values of `now` lie higher: the Mann-Whitney test, corrected for ties.

    Returns:
        Probability that a value of `now` exceeds one of `before`, ties counting half, None where one side is empty; and
        the two-sided probability of the test, None where there are too few values for it.
    """
    both, below = before + now, np.cumsum(before)
    there, here = int(below[-1]), int(now.sum())
    if not there or not here:
        return None, None
    wins = float(np.dot(now.astype(np.float64), below - before / 2))
    superiority = min(1.0, max(0.0, wins / there / here))
    if min(there, here) < LEAST_CELLS:
        return superiority, None
    total, ties = float(there + here), both[both > 1].astype(np.float64)
    tied = float(np.dot(ties, ties * ties - 1)) / (total * (total - 1))
    variance = (total + 1 - tied) / (12.0 * there * here)
    z = 0.0 if variance <= 0 else (superiority - 0.5) / sqrt(variance)
    return superiority, _two_sided(z)


def adjusted(probabilities: Sequence[float]) -> list[float]:
    """Holm's adjustment, in the given order: at most a level for each whose family is to be held at that level."""
    order = sorted(range(len(probabilities)), key=lambda place: probabilities[place])
    result, highest = [0.0] * len(order), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * probabilities[place]))
        result[place] = highest
    return result


def _comparisons(
    facts: Facts, statistics: WindowStatistics, baselines: Sequence[Baseline]
) -> tuple[Comparison, ...]:
    obstacles = [_obstacle(facts, statistics, one) for one in baselines]
    tested = [
        [] if obstacle else [*_shares(statistics, one), *_markers(facts, statistics, one)]
        for one, obstacle in zip(baselines, obstacles, strict=True)
    ]
    family = [test.p for tests in tested for test in tests if test.p is not None]
    left = iter(adjusted(family))
    told = []
    for one, obstacle, tests in zip(baselines, obstacles, tested, strict=True):
        changes = [_judged(test, None if test.p is None else next(left)) for test in tests]
        told.append(
            Comparison(
                against=one.against,
                name=one.name,
                frames=one.statistics.tally.frames,
                classified=int(one.statistics.tally.status[CLASSIFIED]),
                synthetic=one.statistics.context.source_synthetic,
                obstacle=obstacle,
                alpha=ALPHA,
                tests=len(family),
                shares=tuple(change for change in changes if isinstance(change, ShareChange)),
                markers=tuple(change for change in changes if isinstance(change, MarkerChange)),
            )
        )
    return tuple(told)


def _obstacle(facts: Facts, statistics: WindowStatistics, other: Baseline) -> Obstacle | None:
    """Why two populations cannot be compared: simulated and real cells can be, another model's numbers cannot."""
    here, there = statistics.context, other.statistics.context
    known = facts.model_sha256 and other.model_sha256
    same = replace(there, source_synthetic=here.source_synthetic) == here
    if not same or (known and facts.model_sha256 != other.model_sha256):
        return "another model"
    seen = [
        int(one.tally.status[CLASSIFIED] + one.tally.status[REJECTED])
        for one in (statistics, other.statistics)
    ]
    return None if all(seen) else "no cells"


def _shares(statistics: WindowStatistics, other: Baseline) -> list[_Tested]:
    sides = other.statistics.tally, statistics.tally
    context = statistics.context
    tested = [_share("class", k, name, sides) for k, name in enumerate(context.classes)]
    if context.rejects:
        tested.append(_share("rejected", REJECTED_ROW, "", sides))
    if context.scores_ood:
        tested.append(_share("unusual", UNUSUAL_ROW, "", sides))
    return tested


def _share(of: Quantity, row: int, name: str, sides: tuple[Tally, Tally]) -> _Tested:
    """The share of a row of `Spread`, there and here."""
    before, now = (_counted(of, row, tally) for tally in sides)
    low, high = share_interval(before, now)
    one, other = _ratio(*before), _ratio(*now)
    up, p = other > one, share_test(before, now)
    if p is not None:
        pair = zip(sides, (before, now), strict=True)
        p = max(
            p, spread_test(*(tally.spread.share(row, *counted) for tally, counted in pair), up=up)
        )
    return _Tested(ShareChange(of, name, one, other, low, high, None, "too_few"), p, up)


def _counted(of: Quantity, row: int, tally: Tally) -> tuple[int, int]:
    """Cells, and those that they are of: the classified, and with them the rejected."""
    classified, rejected = int(tally.status[CLASSIFIED]), int(tally.status[REJECTED])
    if of == "rejected":
        return rejected, classified + rejected
    return (tally.unusual if of == "unusual" else int(tally.count[row])), classified


def _markers(facts: Facts, statistics: WindowStatistics, other: Baseline) -> list[_Tested]:
    tested = []
    for k, one in enumerate(facts.classes):
        medians = {marker.name: marker.median for marker in one.markers}
        for m, name in enumerate(statistics.context.markers):
            there, here = (part.tally.z[k, m] for part in (other.statistics, statistics))
            before = statistics.context.in_unit(quantile(there, 0.5), m) if there.any() else None
            effect, p = rank_test(there, here)
            up = effect is not None and effect > 0.5
            if p is not None:
                parts = ((other.statistics, there), (statistics, here))
                means = (part.tally.spread.marker(k, m, z) for part, z in parts)
                p = max(p, spread_test(*means, up=up))
            change = MarkerChange(
                one.name, name, before, medians.get(name), effect, None, "too_few"
            )
            tested.append(_Tested(change, p, up))
    return tested


def _judged(test: _Tested, p: float | None) -> ShareChange | MarkerChange:
    if p is None:
        return test.change
    verdict: Verdict = "unclear" if p > ALPHA else "up" if test.up else "down"
    return replace(test.change, p=p, verdict=verdict)


def _placed(
    marker: MarkerFacts, here: Histogram, run: Histogram | None, reference: Histogram | None
) -> MarkerFacts:
    return replace(
        marker,
        run_percentile=None if run is None else percentile(run, here),
        reference_percentile=None if reference is None else percentile(reference, here),
    )


def _of(tally: Tally | None, k: int, m: int) -> Histogram | None:
    return None if tally is None else tally.z[k, m]


def _ratio(count: int, total: int) -> float:
    return count / total if total else 0.0


def _two_sided(z: float) -> float:
    return erfc(abs(z) / sqrt(2.0))
