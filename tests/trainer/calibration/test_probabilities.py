import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.trainer.calibration.probabilities import (  # noqa: E402
    class_shares,
    fit_temperature_and_bias,
    probabilities,
)
from phenostream.trainer.evaluation.figures.scores import expected_calibration_error  # noqa: E402
from tests.trainer.calibration.toy import SHARES, TEMPERATURE, toy  # noqa: E402


def test_a_known_temperature_and_known_learned_shares_are_found_again() -> None:
    cells = toy(6_000, 0)
    temperature, bias = fit_temperature_and_bias(cells.class_logits, cells.kind)
    assert temperature == pytest.approx(TEMPERATURE, rel=0.05)
    learned_equal = np.log(SHARES) - np.mean(np.log(SHARES))
    np.testing.assert_allclose(bias, learned_equal, atol=0.12)
    assert bias.mean() == pytest.approx(0, abs=1e-9)


def test_probabilities_are_the_true_ones_and_neither_part_can_be_left_out() -> None:
    cells, others = toy(6_000, 0), toy(20_000, 1)
    temperature, bias = fit_temperature_and_bias(cells.class_logits, cells.kind)
    truth = others.posterior(SHARES)

    def furthest(temperature: float, bias: npt.ArrayLike) -> float:
        return float(np.abs(probabilities(others.class_logits, temperature, bias) - truth).max())

    assert furthest(temperature, bias) < 0.03
    assert furthest(1.0, bias) > 0.2
    assert furthest(temperature, np.zeros(3)) > 0.2
    found = probabilities(others.class_logits, temperature, bias)
    assert expected_calibration_error(found, others.kind) < 0.01


def test_cells_that_are_all_told_apart_still_give_finite_numbers() -> None:
    kind = (np.arange(60) % 3).astype(np.int32)
    logits = (20 * np.eye(3)[kind]).astype(np.float32)
    temperature, bias = fit_temperature_and_bias(logits, kind)
    assert 0.2 <= temperature <= 5
    np.testing.assert_allclose(bias, 0, atol=0.01)


def test_shares_are_counted_among_the_cells() -> None:
    kind = np.array([0, 0, 1, 2, 2, 2, 2, 2], np.int32)
    assert class_shares(kind).tolist() == [0.25, 0.125, 0.625]
