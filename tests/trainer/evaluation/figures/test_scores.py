import numpy as np
import pytest

from phenostream.trainer.evaluation.figures import scores


def test_auroc_counts_ties_as_half() -> None:
    score = np.array([0.1, 0.5, 0.5, 0.9])
    positive = np.array([False, False, True, True])
    assert scores.auroc(score, positive) == pytest.approx(0.875)
    assert scores.auroc(-score, positive) == pytest.approx(0.125)
    assert np.isnan(scores.auroc(score, np.zeros(4, bool)))


def test_f1_and_recall_are_means_over_the_classes_present() -> None:
    truth, predicted = np.array([0, 0, 0, 2]), np.array([0, 0, 2, 2])
    assert scores.accuracy(predicted, truth) == 0.75
    assert scores.balanced_accuracy(predicted, truth) == pytest.approx((2 / 3 + 1) / 2)
    assert scores.macro_f1(predicted, truth) == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_constant_prediction_correlates_with_nothing() -> None:
    assert scores.pearson(np.ones(5), np.arange(5.0)) == 0
    assert scores.pearson(np.arange(5.0), 3 - 2 * np.arange(5.0)) == pytest.approx(-1)


def test_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    probability = np.tile([0.8, 0.1, 0.1], (10, 1))
    truth = np.array([0] * 8 + [1] * 2)
    assert scores.expected_calibration_error(probability, truth) == pytest.approx(0)
    assert scores.expected_calibration_error(probability, np.zeros(10, int)) == pytest.approx(0.2)
