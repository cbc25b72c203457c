import numpy as np
import pytest

from phenostream.engine.types import F32, I32
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.figures.probabilities import (
    judge_probabilities,
    judge_sets,
    softmax,
)

SETTINGS = BootstrapSettings(resamples=200, seed=1)


def honest(count: int, seed: int, sharpen: float = 1.0) -> tuple[Resamples, F32, I32]:
    """Probabilities that mean what they say, then sharpened; five cells to a field."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(count, 3))
    probability = softmax(logits)
    truth = (rng.random(count)[:, None] > probability.cumsum(axis=1)).sum(axis=1)
    group = (np.arange(count) // 5).astype(np.int32)
    said = softmax(sharpen * logits).astype(np.float32)
    return Resamples.of(group, SETTINGS), said, np.minimum(truth, 2).astype(np.int32)


def test_honest_probabilities_have_little_error_and_sharpened_ones_much() -> None:
    good, bad = (judge_probabilities(*honest(4000, 1, sharpen)) for sharpen in (1.0, 3.0))
    assert good is not None
    assert bad is not None
    assert good.ece.value < 0.03
    assert bad.ece.value > 0.1
    assert bad.nll.value > good.nll.value


def test_the_interval_of_a_small_error_holds_the_measured_one() -> None:
    for seed in range(5):
        found = judge_probabilities(*honest(600, seed))
        assert found is not None
        assert found.ece.low is not None
        assert found.ece.high is not None
        assert 0 <= found.ece.low <= found.ece.value <= found.ece.high


def test_the_error_is_the_gap_between_confidence_and_accuracy() -> None:
    resamples = Resamples.of(np.arange(10, dtype=np.int32), SETTINGS)
    probability = np.tile(np.array([0.8, 0.1, 0.1], np.float32), (10, 1))
    truth = np.array([0] * 8 + [1] * 2, np.int32)
    found = judge_probabilities(resamples, probability, truth)
    assert found is not None
    assert found.ece.value == pytest.approx(0, abs=1e-6)
    (only,) = found.bins
    assert (only.n, only.accuracy) == (10, 0.8)
    always = judge_probabilities(resamples, probability, np.zeros(10, np.int32))
    assert always is not None
    assert always.ece.value == pytest.approx(0.2)


def test_certainty_in_the_wrong_class_is_a_large_finite_loss() -> None:
    resamples = Resamples.of(np.arange(6, dtype=np.int32), SETTINGS)
    sure = np.tile(np.array([1, 0, 0], np.float32), (6, 1))
    found = judge_probabilities(resamples, sure, np.full(6, 2, np.int32))
    assert found is not None
    assert found.nll.value == pytest.approx(-np.log(1e-12))
    assert found.brier.value == pytest.approx(2)


def test_sets_are_judged_by_the_class_they_should_hold() -> None:
    truth = np.array([0, 0, 1, 1, 1, 2], np.int32)
    members = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]], np.bool_)
    found = judge_sets(Resamples.of(np.arange(6, dtype=np.int32), SETTINGS), members, truth, 0.9)
    assert found is not None
    assert found.coverage.value == pytest.approx(5 / 6)
    assert found.mean_size.value == pytest.approx(9 / 6)
    assert found.sizes == pytest.approx((0, 4 / 6, 1 / 6, 1 / 6))
    by_class = [None if one is None else one.value for one in found.by_class.values()]
    assert by_class == [0.5, 1, 1]


def test_no_cells_have_no_figures() -> None:
    nothing = Resamples.of(np.zeros(0, np.int32), SETTINGS)
    truth = np.zeros(0, np.int32)
    assert judge_probabilities(nothing, np.zeros((0, 3), np.float32), truth) is None
    assert judge_sets(nothing, np.zeros((0, 3), np.bool_), truth, 0.9) is None
