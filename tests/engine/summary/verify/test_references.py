"""Sentences that go on with what another said, and lists, joins and roundings that make a true number say too much."""

from dataclasses import replace

import pytest

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.facts import Facts, wilson_interval
from phenostream.engine.summary.verify import faults
from tests.engine.summary.verify.small import small_facts

_CAVEAT = " Research use only, not a diagnosis."


def _of(counts: tuple[int, int, int], rejected: int) -> Facts:
    """These classified, these rejected, 5 at an edge; 18 of the classified unusual."""
    classified = sum(counts)
    low, high = wilson_interval(rejected, classified + rejected)
    return small_facts(
        counts,
        rejected=rejected,
        edge=5,
        rejected_share=rejected / (classified + rejected),
        rejected_low=low,
        rejected_high=high,
        unusual=18,
        unusual_share=18 / classified,
    )


def _share(name: str, before: float, now: float, p: float, verdict: str) -> ShareChange:
    low, high = now - before - 0.05, now - before + 0.05
    return ShareChange("class", name, before, now, low, high, p, verdict)  # type: ignore[arg-type]  # a test's word


def _compared() -> Facts:
    """The few, told against the window before: granulocytes up, lymphocytes down, CD16 of granulocytes up."""
    facts = _of((41, 79, 8), 12)
    shares = (
        _share("lymphocyte", 0.45, 41 / 128, 0.003, "down"),
        _share("granulocyte", 0.5, 79 / 128, 0.004, "up"),
        _share("monocyte", 0.05, 8 / 128, 0.7, "unclear"),
    )
    marker = MarkerChange("granulocyte", "CD16", 70.0, 74.04, 0.55, 0.002, "up")
    told = Comparison("previous", "", 4, 400, False, None, 0.01, 4, shares, (marker,))
    classes = tuple(
        replace(one, markers=tuple(replace(marker, run_percentile=45.0) for marker in one.markers))
        for one in facts.classes
    )
    return replace(facts, classes=classes, comparisons=(told,), duration_s=300.0)


_FEW_REJECTED = _of((41, 79, 8), 12)
_MANY_REJECTED = _of((41, 79, 8), 60)
_ROUND = small_facts((2000, 2500, 500))
_COMPARED = _compared()


@pytest.mark.parametrize(
    "lie",
    [
        "12 cells were rejected. 61.7 % of these were granulocytes.",
        "12 cells were rejected. 79 of them were granulocytes.",
        "12 cells were rejected. Most of them were granulocytes.",
        "12 cells were rejected. Granulocytes are the majority of them.",
        "12 cells were rejected. Most were granulocytes.",
        "12 cells were rejected. The cells were mostly granulocytes.",
        "18 cells look unlike the training cells. Most of these are granulocytes.",
        "41 lymphocytes were found. 12 were rejected.",
        "41 lymphocytes were found. 61.7 % were granulocytes.",
        "145 cells were found. 14.1 % of these look unlike the training cells.",
        "145 cells were found. 14.1 % look unlike the training cells.",
        "145 cells were found. 61.7 % were granulocytes.",
        "145 cells were found. 61.7 % of them were granulocytes.",
        "145 cells were found. 8.6 % were rejected.",
        "145 cells were found, of which 12 (8.6 %) were rejected.",
        "8.6 % of the cells found were rejected.",
        "Granulocytes account for 61.7 % of all.",
        "The granulocytes have a median CD16 of 74.0 a.u. and 41 lymphocytes, with a median CD45 of 49.4 a.u.",
        "The granulocytes have a median CD16 of 74.0 a.u.; 8 monocytes, median CD45 49.4 a.u.",
        "In the granulocytes, 41 lymphocytes were found and the median CD16 was 74.0 a.u.",
        "In the granulocytes, 12 cells were rejected and the median CD16 was 74.0 a.u.",
        "41 lymphocytes and 79 granulocytes have a median CD16 of 74.0 a.u.",
        "41 lymphocytes plus 79 granulocytes with a median CD16 of 74.0 a.u. were found.",
        "79 granulocytes and monocytes had a higher median CD16 than lymphocytes.",
        "41 lymphocytes and granulocytes make up 61.7 % of the classified cells.",
        "8 monocytes and granulocytes outnumber lymphocytes.",
        "More granulocytes than lymphocytes and monocytes were found.",
        "The reject rate is 8.6 % of 145 cells.",
        "61.7 % granulocytes, 32.0 % lymphocytes, 8.6 % rejected as not a white cell.",
        "41 lymphocytes and 79 granulocytes, with a mean confidence of 87.6 %.",
        "The highest CD16 value was found in monocytes.",
        "Granulocytes had a higher CD16 than lymphocytes.",
        "The classified cells are 79 granulocytes and 41 lymphocytes.",
        "128 cells were classified, namely 79 granulocytes and 41 lymphocytes.",
        "145 cells were found, consisting of 79 granulocytes, 41 lymphocytes and 8 monocytes.",
        "This run contains mostly granulocytes.",
        "In this run, 145 cells were found.",
        "This recording contains 145 cells.",
        "Median CD16 in granulocytes: 74.0 (nominal 90 % interval of 79 such cell 37.0 to 155).",
        "Granulocytes make up 6e1 % of the classified cells.",
        "Monocytes make up 1e1 % of the classified cells.",
        "Intervals of shares take cells as independent, which those of 79 frame are not quite.",
    ],
)
def test_what_goes_on_with_other_cells_is_found(lie: str) -> None:
    assert faults(lie + _CAVEAT, _FEW_REJECTED), lie


@pytest.mark.parametrize(
    "lie",
    [
        "193 cells were found. Most were granulocytes.",
        "193 cells were found. More than half of these were granulocytes.",
        "193 cells were found. All were granulocytes.",
        "Granulocytes dominate the sample.",
        "The sample was mostly granulocytes.",
        "31.9 % of the cells found were rejected.",
        "193 cells: 79 granulocytes (61.7 %).",
        "193 cells were found: 79 granulocytes, 32.0 % lymphocytes.",
        "Only granulocytes were found.",
    ],
)
@pytest.mark.parametrize("facts", [_MANY_REJECTED, _of((0, 79, 0), 90)])
def test_a_majority_of_the_classified_is_none_of_those_found(lie: str, facts: Facts) -> None:
    assert faults(lie.replace("193", str(facts.found)) + _CAVEAT, facts), lie


@pytest.mark.parametrize(
    "lie",
    [
        "Two thousand million five hundred granulocytes were found.",
        "Five thousand million cells were found.",
        "Five thousand thousand cells were classified.",
    ],
)
def test_scales_that_do_not_fall_are_no_number(lie: str) -> None:
    assert faults(lie + _CAVEAT, _ROUND), lie


@pytest.mark.parametrize(
    "lie",
    [
        "CD16 tends higher in granulocytes; probability of superiority 1.",
        "CD16 tends higher in granulocytes; adjusted p below 0.9.",
        "the share of granulocytes rose by 0e2 percentage points.",
        "granulocytes increased.",
        "granulocytes are larger.",
        "the share of rose.",
        "there were more granulocytes than lymphocytes.",
        "most classified cells were granulocytes.",
        "the mean confidence was 87.6 %.",
        "12 cells were rejected.",
    ],
)
def test_what_was_not_compared_is_told_of_no_other_window(lie: str) -> None:
    assert faults(f"Compared with the previous window, {lie}{_CAVEAT}", _COMPARED), lie


@pytest.mark.parametrize(
    "lie",
    [
        "Granulocytes have a median CD16 of 74.0 a.u. (percentile 0e2 of the run before).",
        "This describes a window (0e3 s).",
        "A change is called 79 at a level of 1 % over 4 tests together (Holm).",
        "Most classified cells were granulocytes, compared with the previous window.",
    ],
)
def test_a_number_with_an_exponent_rounds_nothing_away(lie: str) -> None:
    assert faults(lie + _CAVEAT, _COMPARED), lie


@pytest.mark.parametrize(
    "truth",
    [
        "128 cells were classified. 61.7 % of these were granulocytes.",
        "128 cells were classified. Most of them were granulocytes.",
        "12 cells were rejected. The share of granulocytes is 61.7 %.",
        "12 cells were rejected. The mean confidence was 87.6 %.",
        "The classified cells are 79 granulocytes, 41 lymphocytes and 8 monocytes.",
        "This window contains 145 cells.",
        "Compared with the previous window, granulocytes increased from 50 % to 61.7 %.",
        "Compared with the previous window, CD16 tends higher in granulocytes; probability of superiority 0.55.",
        "Granulocytes have a median CD16 of 74.0 a.u. (percentile 45 of the run before).",
    ],
)
def test_a_truth_beside_it_passes(truth: str) -> None:
    assert faults(truth + _CAVEAT, _COMPARED) == []


@pytest.mark.parametrize("value", ["zero", "seven", "seventy-three", "one thousand"])
def test_a_marker_value_in_words_is_held_against_the_fact(value: str) -> None:
    assert faults(f"Granulocytes have a median CD16 of {value} a.u.{_CAVEAT}", _COMPARED)
    assert not faults(f"Granulocytes have a median CD16 of seventy-four a.u.{_CAVEAT}", _COMPARED)


def test_real_cells_are_compared_with_simulated_ones_only_where_that_is_said() -> None:
    (told,) = _COMPARED.comparisons
    facts = replace(_COMPARED, comparisons=(replace(told, synthetic=True),))
    lie = "Compared with the previous window, the share of granulocytes rose."
    assert faults(lie + _CAVEAT, facts)
    assert not faults(lie.replace("window", "window (simulated cells)") + _CAVEAT, facts)
