"""Two runs are compared where they may be, and a difference counts only beyond chance."""

from typing import Any

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.evaluation.compare import Comparison, Row, compare
from phenostream.trainer.evaluation.compared_figures import difference, figures_of, over_seeds
from phenostream.trainer.evaluation.report.comparison_page import render_comparison
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Figure
from tests.trainer.evaluation.report import documents


def _with_accuracy(accuracy: Figure, **facts: Any) -> Evaluation:
    said = documents.evaluation()
    assert said.classification is not None
    changed = said.classification.model_copy(update={"accuracy": accuracy})
    data = said.data.model_copy(update={"facts": said.data.facts.model_copy(update=facts)})
    return said.model_copy(update={"classification": changed, "data": data})


def _row(found: Comparison, name: str) -> Row:
    return next(row for row in found.rows if row.name == name)


@pytest.mark.parametrize(
    ("second", "verdict"),
    [(0.98, "better"), (0.90, "worse"), (0.945, "no difference shown")],
)
def test_a_difference_counts_only_beyond_chance(second: float, verdict: str) -> None:
    accuracy = documents.figure(second, 0.01)
    found = compare(documents.evaluation(), _with_accuracy(accuracy))
    row = _row(found, "accuracy")
    assert row.difference is not None
    assert row.difference.value == pytest.approx(second - 0.938)
    assert row.verdict == verdict
    assert found.comparable


def test_lower_is_better_for_an_error() -> None:
    said = documents.evaluation()
    assert said.calibration is not None
    after = said.calibration.after.model_copy(update={"ece": documents.figure(0.1, 0.005)})
    worse = said.calibration.model_copy(update={"after": after})
    found = compare(said, said.model_copy(update={"calibration": worse}))
    assert _row(found, "ECE").verdict == "worse"


def test_a_difference_has_the_interval_of_two_independent_figures() -> None:
    rng = np.random.default_rng(3)
    cells = 400
    draws = rng.binomial(cells, [0.9, 0.85], (20_000, 2)) / cells
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    first, second = (
        Figure(value=value, low=low[i], high=high[i], n=cells)
        for i, value in enumerate((0.9, 0.85))
    )
    found = difference(first, second)
    assert found.low is not None
    assert found.high is not None
    drawn = np.quantile(draws[:, 1] - draws[:, 0], [0.025, 0.975])
    assert [found.low, found.high] == pytest.approx(drawn, abs=0.005)


def test_seeds_widen_an_interval_and_one_seed_keeps_its_own() -> None:
    one = documents.figure(0.9)
    assert over_seeds([one]) == one
    same = over_seeds([one, one])
    assert (same.low, same.high) == pytest.approx((one.low, one.high))
    apart = over_seeds([documents.figure(0.89), documents.figure(0.91)])
    assert apart.value == pytest.approx(0.9)
    assert apart.high is not None
    assert apart.high - apart.value > 12 * 0.01  # t of one degree of freedom is 12.7
    assert over_seeds([one, Figure(value=0.9, n=3)]).low is None


def test_a_figure_that_a_run_lacks_has_no_difference() -> None:
    found = compare(documents.evaluation(), documents.evaluation(calibration=None))
    row = _row(found, "ECE")
    assert row.first is not None
    assert (row.second, row.difference, row.verdict) == (None, None, None)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (_with_accuracy(documents.figure(0.9), name="BSCCMNIST"), "different data sets"),
        (_with_accuracy(documents.figure(0.9), synthetic=False), "on simulated cells"),
        (_with_accuracy(documents.figure(0.9), hashes={"packed cells": "9" * 64}), "different files"),
        (documents.refused(), documents.REFUSAL),
    ],
)  # fmt: skip
def test_runs_that_may_not_be_compared_give_no_difference(second: Evaluation, words: str) -> None:
    found = compare(documents.evaluation(), second)
    assert not found.comparable
    assert any(words in obstacle for obstacle in found.obstacles)
    assert all(row.difference is None and row.verdict is None for row in found.rows)
    page = render_comparison(found)
    assert "Not comparable" in page
    assert "no difference shown" not in page


def test_another_split_is_said_to_mix_split_and_model() -> None:
    found = compare(documents.evaluation(), _with_accuracy(documents.figure(0.9), protocol="clean"))
    assert found.comparable
    assert any("The splits differ (fov and clean)" in note for note in found.notes)


def test_the_same_cells_and_quick_runs_are_told() -> None:
    found = compare(documents.evaluation(), documents.reproduction())
    assert any("same test cells" in note for note in found.notes)
    assert any("second is a quick run" in note for note in found.notes)
    assert found.second.seeds == 2


def test_a_run_without_evaluations_is_refused() -> None:
    empty = documents.reproduction().model_copy(update={"evaluations": (), "seeds": ()})
    with pytest.raises(BadInput, match="nothing to compare"):
        compare(empty, documents.evaluation())


def test_every_figure_has_one_name() -> None:
    names = [one.key for one in figures_of(documents.evaluation())]
    assert len(names) == len(set(names))
    assert len(names) > 60


def test_the_page_of_a_comparison_is_escaped_and_says_synthetic() -> None:
    evil = "<script>x</script>"
    found = compare(
        _with_accuracy(documents.figure(0.9), name=evil), _with_accuracy(documents.figure(0.9))
    )
    text = render_comparison(found)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.count('class="tag">synthetic') == 8  # the verdict, both runs, five sections
