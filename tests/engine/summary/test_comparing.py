"""Tests of change: against published values, against another implementation, and against their own level."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.summary.comparing import (
    ALPHA,
    LEAST_CELLS,
    Baseline,
    adjusted,
    rank_test,
    share_interval,
    share_test,
    with_comparisons,
)
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.histogram import BINS, LIMIT, STEP, Histogram, steps
from phenostream.engine.summary.window import WindowStatistics
from phenostream.engine.types import CLASSES, MARKERS
from tests.engine.summary.false_alarms import (
    LEVEL,
    SAMPLES,
    Sample,
    alarms,
    rank_level,
    share_level,
)

CONTEXT = SummaryContext(
    CLASSES,
    MARKERS,
    "a.u.",
    MarkerTransform(scale="log10", mean=(1, 1, 2, 2), sd=(0.5, 0.4, 0.3, 0.2)),
    (1, 1, 1, 2),
    0.9,
    True,
    True,
    False,
    "demo 1",
)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_the_interval_of_a_difference_is_the_one_that_newcombe_published(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert share_interval(before=other, now=one) == pytest.approx((low, high), abs=6e-5)


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 400)] * 4))
def test_the_interval_holds_the_difference_and_stays_within_one(
    counts: tuple[int, int, int, int],
) -> None:
    one, other = (counts[0], counts[0] + counts[1]), (counts[2], counts[2] + counts[3])
    low, high = share_interval(one, other)
    shares = [count / total if total else 0.0 for count, total in (one, other)]
    assert -1 <= low <= shares[1] - shares[0] + 1e-12
    assert shares[1] - shares[0] - 1e-12 <= high <= 1


@pytest.mark.parametrize("totals", [(30, 30), (30, 300), (100, 3000), (300, 3000), (1000, 1000)])
@pytest.mark.parametrize("rate", [0.05, 0.15, 0.5])
def test_the_test_of_shares_holds_its_level_also_far_out(
    totals: tuple[int, int], rate: float
) -> None:
    assert share_level(totals, rate) <= 1.5 * LEVEL


@pytest.mark.parametrize("totals", [(30, 30), (30, 300), (100, 100)])
def test_the_test_of_markers_holds_its_level_also_far_out(totals: tuple[int, int]) -> None:
    assert 0.6 * LEVEL <= rank_level(totals) <= LEVEL


def test_the_test_of_shares_is_the_chi_square_test_of_the_table() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        total = rng.integers(60, 5000, 2)
        count = rng.binomial(total, rng.uniform(0.2, 0.8, 2) * 0.3 + 0.3)
        table = [count, total - count]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        got = share_test((int(count[0]), int(total[0])), (int(count[1]), int(total[1])))
        assert got == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("before", "now"),
    [((3, 29), (30, 300)), ((0, 0), (9, 90)), ((9, 90), (9, 90)), ((50, 50), (40, 40))],
)
def test_shares_of_too_few_cells_are_not_tested(
    before: tuple[int, int], now: tuple[int, int]
) -> None:
    assert share_test(before, now) is None
    assert share_test(now, before) is None


def histogram(values: npt.NDArray[np.floating[Any]]) -> Histogram:
    return np.bincount(steps(values), minlength=BINS)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("sizes", [(30, 45), (400, 31), (3000, 2500)])
def test_markers_are_tested_as_another_implementation_tests_the_cells_themselves(
    sizes: tuple[int, int], rounded: bool
) -> None:
    rng = np.random.default_rng(sum(sizes))
    drawn = [rng.normal(shift, 1.0, n) for shift, n in zip((0.0, 0.2), sizes, strict=True)]
    # to the histogram's step, so that both see the same ties
    before, now = (np.round(one) if rounded else (steps(one) + 0.5) * STEP - LIMIT for one in drawn)
    judge = stats.mannwhitneyu(now, before, use_continuity=False, method="asymptotic")
    a, b = histogram(before), histogram(now)
    superiority = judge.statistic / len(before) / len(now)
    assert rank_test(a, b) == pytest.approx((superiority, judge.pvalue), rel=1e-6)


def test_markers_of_too_few_cells_are_not_tested_and_equal_ones_differ_in_nothing() -> None:
    few, many = histogram(np.zeros(LEAST_CELLS - 1)), histogram(np.zeros(500))
    assert rank_test(few, many) == (0.5, None)
    assert rank_test(many, few) == (0.5, None)
    assert rank_test(many, many) == (0.5, 1.0)
    assert rank_test(np.zeros(BINS, np.int64), many) == (None, None)


def test_holms_adjustment_is_that_of_a_worked_example() -> None:
    assert adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted([]) == []


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_an_adjusted_probability_is_never_smaller_and_keeps_the_order(plain: list[float]) -> None:
    told = adjusted(plain)
    assert all(one >= before and one <= 1 for one, before in zip(told, plain, strict=True))
    order = np.argsort(plain, kind="stable")
    assert np.all(np.diff(np.array(told)[order]) >= 0)


def cells(
    rng: np.random.Generator, n: int, shares: tuple[float, ...], shift: float, frames: int = 20
) -> WindowStatistics:
    """White cells; the markers of the second class are shifted."""
    kind = rng.choice(3, n, p=shares)
    z = rng.normal(size=(n, 4)) + shift * (kind == 1)[:, None]
    columns = {
        "status": np.zeros(n, np.uint8),
        "class": kind.astype(np.uint8),
        "class_probability": np.full((n, 3), 0.8, np.float32),
        "marker_z": z.astype(np.float32),
        "ood": rng.random(n) < 0.1,
    }
    statistics = WindowStatistics(CONTEXT)
    for part in np.array_split(np.arange(n), frames):
        statistics.add({name: column[part] for name, column in columns.items()})
    return statistics


def told(
    now: WindowStatistics,
    before: WindowStatistics,
    against: Literal["previous", "reference"] = "previous",
) -> Facts:
    return with_comparisons(now.facts(), now, [Baseline(against, before)])


def test_a_change_is_told_with_its_direction_and_size() -> None:
    rng = np.random.default_rng(1)
    before = cells(rng, 2000, (0.6, 0.3, 0.1), 0.0)
    now = cells(rng, 3000, (0.4, 0.5, 0.1), 0.5)
    (comparison,) = told(now, before).comparisons
    shares = {one.name or one.of: one for one in comparison.shares}
    assert [shares[name].verdict for name in CLASSES] == ["down", "up", "unclear"]
    assert shares["granulocyte"].low > 0.1
    assert shares["granulocyte"].difference == pytest.approx(0.2, abs=0.05)
    markers = {(one.class_name, one.name): one for one in comparison.markers}
    for name in MARKERS:
        of_granulocytes = markers["granulocyte", name]
        assert of_granulocytes.verdict == "up"
        assert of_granulocytes.superiority == pytest.approx(0.64, abs=0.04)
        assert markers["lymphocyte", name].verdict == "unclear"
    # rejected is not tested: nothing was rejected on either side
    assert shares["rejected"].verdict == "too_few"
    assert comparison.tests == 3 + 1 + 12
    assert comparison.alpha == ALPHA


def test_a_swap_of_the_two_sides_turns_every_verdict_round() -> None:
    rng = np.random.default_rng(2)
    one, other = cells(rng, 900, (0.6, 0.3, 0.1), 0.0), cells(rng, 900, (0.3, 0.6, 0.1), 0.3)
    (there,), (back,) = told(one, other).comparisons, told(other, one).comparisons
    turned = {"up": "down", "down": "up", "unclear": "unclear", "too_few": "too_few"}
    for a, b in zip(there.changes, back.changes, strict=True):
        assert turned[a.verdict] == b.verdict
        assert (a.p is None and b.p is None) or a.p == pytest.approx(b.p, rel=1e-6)


def test_the_tests_of_two_comparisons_are_adjusted_together() -> None:
    rng = np.random.default_rng(3)
    now, before = cells(rng, 500, (0.5, 0.3, 0.2), 0.0), cells(rng, 500, (0.5, 0.3, 0.2), 0.1)
    both = with_comparisons(
        now.facts(), now, [Baseline("previous", before), Baseline("reference", before, "healthy")]
    )
    alone = told(now, before)
    assert [one.tests for one in both.comparisons] == [2 * alone.comparisons[0].tests] * 2
    pairs = zip(both.comparisons[0].shares, alone.comparisons[0].shares, strict=True)
    assert all(a.p >= b.p for a, b in pairs if a.p is not None and b.p is not None)


def test_cells_of_another_model_or_no_cells_are_not_compared() -> None:
    rng = np.random.default_rng(4)
    now = cells(rng, 200, (0.5, 0.3, 0.2), 0.0)
    foreign = WindowStatistics(replace(CONTEXT, model="demo 2"))
    (comparison,) = told(now, foreign).comparisons
    assert (comparison.obstacle, comparison.shares) == ("another model", ())
    known = replace(now.facts(), model_sha256="a" * 64)
    other = Baseline("reference", cells(rng, 200, (0.5, 0.3, 0.2), 0.0), "old", "b" * 64)
    placed = with_comparisons(known, now, [other])
    assert placed.comparisons[0].obstacle == "another model"
    assert placed.classes[0].markers[0].reference_percentile is None
    (empty,) = told(now, WindowStatistics(CONTEXT)).comparisons
    assert (empty.obstacle, empty.classified) == ("no cells", 0)


def test_simulated_cells_may_be_compared_with_real_ones_and_are_called_so() -> None:
    rng = np.random.default_rng(6)
    now, there = (cells(rng, 200, (0.5, 0.3, 0.2), 0.0) for _ in range(2))
    there.context = replace(CONTEXT, source_synthetic=True)
    (comparison,) = told(now, there, "reference").comparisons
    assert (comparison.obstacle, comparison.synthetic) == (None, True)


def test_a_percentile_is_where_the_median_stands_among_the_cells_before() -> None:
    rng = np.random.default_rng(7)
    now, run = cells(rng, 600, (0.0, 1.0, 0.0), 1.0), cells(rng, 5000, (0.2, 0.8, 0.0), 0.0)
    facts = with_comparisons(now.facts(), now, [Baseline("reference", run)], run.tally)
    for marker in facts.classes[1].markers:
        assert marker.run_percentile == pytest.approx(84.1, abs=4)  # one sd above
        assert marker.reference_percentile == marker.run_percentile
    few = cells(rng, 99, (0.0, 1.0, 0.0), 0.0)
    facts = with_comparisons(now.facts(), now, [], few.tally)
    assert facts.classes[1].markers[0].run_percentile is None


def test_windows_of_one_sample_differ_no_more_often_than_the_level_says() -> None:
    """Independent cells, as the tests take them: of 300 summaries 3 are expected, above 9 with probability 0.001."""
    alone, found = alarms(SAMPLES[0], pairs=300)
    assert found <= alone <= 9


def test_frames_that_vary_by_themselves_are_called_changed_no_more_often() -> None:
    """Of 60 pairs some 14 are called changed by the tests that take cells as independent, and 1 may be."""
    alone, found = alarms(Sample(0.1, 0.1, 40, 200), pairs=60)
    assert alone > 6
    assert found <= 3


def test_a_change_is_seen_also_between_frames_that_vary() -> None:
    alone, found = alarms(Sample(0.05, 0.1, 40, 50), pairs=20, moved=20)
    assert (alone, found) == (20, 20)


@pytest.mark.parametrize(("there", "here"), [(1, 20), (20, 1), (2, 2)])
def test_nothing_is_claimed_of_fewer_frames_than_a_spread_needs(there: int, here: int) -> None:
    rng = np.random.default_rng(8)
    before = cells(rng, 2000, (0.6, 0.3, 0.1), 0.0, there)
    now = cells(rng, 3000, (0.4, 0.5, 0.1), 0.5, here)
    (comparison,) = told(now, before).comparisons
    assert not comparison.changed
    assert {one.verdict for one in comparison.changes} == {"unclear", "too_few"}
    assert {one.p for one in comparison.changes} == {1.0, None}
    assert comparison.tests == 3 + 1 + 12


def test_one_frame_that_holds_most_cells_is_not_many_frames() -> None:
    rng = np.random.default_rng(9)
    before = cells(rng, 2000, (0.6, 0.3, 0.1), 0.0)
    now = cells(rng, 3000, (0.4, 0.5, 0.1), 0.5, 1)
    for _ in range(30):
        now.merge(cells(rng, 5, (0.4, 0.5, 0.1), 0.5, 1))
    assert not told(now, before).comparisons[0].changed
