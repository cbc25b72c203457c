"""The class shares of unlabelled cells are found where the probabilities are calibrated, and only there."""

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.trainer.adaptation.mix import LEAST_SHARE, estimated_shares, restated

F64 = npt.NDArray[np.float64]
CENTRES = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.8]])


def probabilities(shares: tuple[float, ...], count: int = 4_000) -> F64:
    """Of a perfect model of three overlapping clouds, for even shares, on cells of other shares."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, count, p=shares)
    place = CENTRES[kind] + rng.standard_normal((count, 2)) * 0.9
    log_p = -((place[:, None] - CENTRES) ** 2).sum(axis=2) / (2 * 0.81)
    p: F64 = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p


@pytest.mark.parametrize(
    "shares", [(1 / 3, 1 / 3, 1 / 3), (0.05, 0.9, 0.05), (0.3, 0.62, 0.08), (0.0, 0.5, 0.5)]
)
def test_the_shares_of_calibrated_probabilities_are_found(shares: tuple[float, ...]) -> None:
    found = estimated_shares(probabilities(shares), np.ones(4_000), (1 / 3, 1 / 3, 1 / 3))
    np.testing.assert_allclose(found, shares, atol=0.03)


def test_counting_probabilities_would_not_find_them() -> None:
    counted = probabilities((0.05, 0.9, 0.05)).mean(axis=0)
    assert abs(counted - (0.05, 0.9, 0.05)).max() > 0.05


def test_a_cell_without_weight_does_not_count() -> None:
    both = np.concatenate([probabilities((0.1, 0.1, 0.8)), probabilities((0.8, 0.1, 0.1))])
    weight = np.repeat([1.0, 0.0], 4_000)
    found = estimated_shares(both, weight, (1 / 3, 1 / 3, 1 / 3))
    np.testing.assert_allclose(found, (0.1, 0.1, 0.8), atol=0.03)


def test_no_class_is_taken_to_be_absent() -> None:
    sure = np.tile([0.0, 1.0, 0.0], (10**6, 1))
    found = estimated_shares(sure, np.ones(10**6), (0.3, 0.4, 0.3))
    assert found.min() == pytest.approx(LEAST_SHARE, rel=0.01)
    assert found.sum() == pytest.approx(1)


def test_probabilities_that_say_nothing_leave_the_prior() -> None:
    vague = np.tile([0.201, 0.5, 0.299], (400, 1))
    found = estimated_shares(vague, np.ones(400), (0.2, 0.5, 0.3))
    np.testing.assert_allclose(found, (0.2, 0.5, 0.3), atol=0.03)


def test_restated_probabilities_are_those_of_the_other_shares() -> None:
    p = np.array([[0.5, 0.25, 0.25]])
    even = (1 / 3, 1 / 3, 1 / 3)
    np.testing.assert_allclose(restated(p, even, (0.25, 0.25, 0.5)), [[0.4, 0.2, 0.4]])
    np.testing.assert_allclose(
        restated(restated(p, even, (0.1, 0.3, 0.6)), (0.1, 0.3, 0.6), even), p
    )
