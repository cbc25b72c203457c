"""True sentences that a model of 1.5 billion parameters wrote and that were refused, and lies that look like them."""

from dataclasses import replace

import pytest

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.facts import Facts, wilson_interval
from phenostream.engine.summary.verify import faults
from tests.engine.summary.verify.small import small_facts

_CAVEAT = " Research use only, not a diagnosis."


def _facts() -> Facts:
    """145 found: 128 classified (41, 79, 8), 12 rejected, 4 at an edge, 1 failed; granulocytes and two markers up."""
    low, high = wilson_interval(12, 140)
    shares = (
        ShareChange("class", "granulocyte", 0.5, 79 / 128, 0.01, 0.2, 0.004, "up"),
        ShareChange("class", "monocyte", 0.05, 8 / 128, -0.1, 0.1, 0.7, "unclear"),
    )
    markers = (
        MarkerChange("granulocyte", "CD16", 70.0, 74.04, 0.55, 0.002, "up"),
        MarkerChange("granulocyte", "CD3/CD19/CD56", 20.0, 24.68, 0.6, 0.001, "up"),
    )
    facts = small_facts(
        (41, 79, 8),
        rejected=12,
        edge=5,
        rejected_share=12 / 140,
        rejected_low=low,
        rejected_high=high,
        comparisons=(
            Comparison("previous", "", 4, 400, False, None, 0.01, 3, shares, markers),
            Comparison("reference", "run 12", 4, 400, False, None, 0.01, 3, shares[1:], ()),
        ),
    )
    return replace(facts, edge=4, failed=1)


@pytest.mark.parametrize(
    "truth",
    [
        "145 cells were found: 128 classified, 12 rejected, 4 at a frame edge and 1 lost to a fault of the engine.",
        "128 cells were classified as white cells, 12 were rejected as not being white cells.",
        "145 cells were found in the window, and 128 were classified.",
        "In the window, 145 cells were found.",
        "The granulocytes are 79, 61.7 % (95 % interval 53.1 % to 69.7 %).",
        "The median of at least one of CD3, CD19 or CD56 (pooled, cannot be separated) of granulocytes is 24.7 "
        "(unit: a.u.).",
        "At least one of CD3, CD19 or CD56 (pooled, cannot be separated) tends to be higher in granulocytes, compared "
        "with the previous window.",
        "The share of granulocytes rose from 50 % to 61.7 % compared with the previous window.",
        "CD16 tends higher in granulocytes, compared to the previous window.",
        "No change is shown relative to the reference “run 12”.",
        'No changes were detected compared with the reference "run 12".',
        "145 cells were found; compared with the previous window, the share of granulocytes increased.",
        "145 cells were identified, with 128 being classified and 12 being rejected as not white cells.",
        "The majority of these classified cells belong to the “granulocyte” class, accounting for 61.7 % of them.",
        'Additionally, 32.0 % of the classified cells are of the "lymphocyte" class.',
        "Intervals of shares take cells as independent, which those of one frame are not quite.",
        "A change has to stand out against the spread between frames too.",
    ],
)
def test_what_was_refused_and_is_true_passes(truth: str) -> None:
    assert faults(truth + _CAVEAT, _facts()) == []


@pytest.mark.parametrize(
    "lie",
    [
        "145 cells were found: 128 classified, 12 lost to a fault of the engine.",
        "12 cells were rejected as white cells.",
        "145 cells were found as white cells.",
        "145 cells were classified as white cells.",
        "41 lymphocytes were classified as white cells and 145 cells were found as white cells.",
        "12 cells were rejected in the window, mostly granulocytes.",
        "12 cells were rejected in this window, mostly granulocytes.",
        "145 cells were found in the run.",
        "The granulocytes are 79, 32.0 % (95 % interval 53.1 % to 69.7 %).",
        "The granulocytes are 79, 61.7 % of the lymphocytes.",
        "The granulocytes are 79, 61.7 % lymphocytes.",
        "The granulocytes are 41, 61.7 %.",
        "145 cells were counted as 79 granulocytes and 41 lymphocytes.",
        "145 cells were identified as 79 granulocytes, 41 lymphocytes and 8 monocytes.",
        "145 cells were identified as granulocytes.",
        "145 cells were found in a single frame.",
        "The majority of these classified cells belong to the “lymphocyte” class.",
        "The majority of the classified cells are granulocytes, accounting for 61.7 % of the total.",
        "The majority of the classified cells are granulocytes, accounting for 32.0 % of them.",
        "8 monocytes were found, and 12 cells were rejected, accounting for 6.3 % of them.",
        "41 lymphocytes and 79 granulocytes were found, accounting for 61.7 % of them.",
        "Granulocytes are the largest class, accounting for 61.7 % of the lymphocytes.",
        "Granulocytes are the largest class, accounting for 61.7 % of the cells found.",
        '61.7 % of the classified cells are of the "lymphocyte" class.',
        "The reference “run 12” is not compared, as it is from a different model.",
        "The median of at least one of CD3, CD19 or CD56 (pooled, cannot be separated) of lymphocytes is 24.7 "
        "(unit: a.u.).",
        "The median of CD16 (pooled, cannot be separated) of granulocytes is 74.0 (unit: a.u.).",
        "The median of CD3 (pooled, cannot be separated) of granulocytes is 24.7 (unit: a.u.).",
        "The share of granulocytes fell from 61.7 % to 50 % compared with the previous window.",
        "The share of granulocytes rose from 50 % to 61.7 % compared with the reference “run 12”.",
        "The share of granulocytes rose from 50 % to 61.7 % compared with the previous run.",
        "79 granulocytes were found, compared with the previous window.",
        "Most classified cells are granulocytes, compared with the previous window.",
        "128 cells were classified, more than were found, compared with the previous window.",
        "No change is shown compared with the previous window.",
        "There was no change compared with the reference “run 12”.",
        "No change is shown compared with the reference “run 13”.",
        'No change is shown compared with the reference "run 13".',
        "Against the reference “run 12”, the share of granulocytes rose, compared with the previous window.",
        "The share of granulocytes rose compared with the previous window and 79 granulocytes were found.",
        "Compared with the previous window; 79 granulocytes were found.",
        "145 cells were found; compared with the previous window, 79 granulocytes were found.",
    ],
)
def test_a_lie_beside_it_is_found(lie: str) -> None:
    assert faults(lie + _CAVEAT, _facts()), lie


def test_white_cells_are_none_of_a_model_that_cannot_tell_them() -> None:
    told = f"128 cells were classified as white cells.{_CAVEAT}"
    assert faults(told, _facts()) == []
    assert faults(told, replace(_facts(), rejects=False))


def test_no_test_was_made_where_nothing_was_compared() -> None:
    told = f"A change has to stand out against the spread between frames too.{_CAVEAT}"
    assert faults(told, replace(_facts(), comparisons=()))


@pytest.mark.parametrize(
    ("duration_s", "said", "true"),
    [
        (0.02, "This describes a window (below 0.1 s).", True),
        (0.02, "This describes a window (below 900 s).", False),
        (0.2, "This describes a window (below 0.1 s).", False),
        (None, "This describes a window (below 0.1 s).", False),
    ],
)
def test_a_moment_is_below_the_shortest_time(
    duration_s: float | None, said: str, *, true: bool
) -> None:
    assert (faults(said + _CAVEAT, replace(_facts(), duration_s=duration_s)) == []) == true
