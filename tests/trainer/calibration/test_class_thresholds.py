import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.class_sets import class_members  # noqa: E402
from phenostream.trainer.calibration.class_thresholds import fit_class_thresholds  # noqa: E402
from tests.trainer.calibration.toy import SHARES, toy  # noqa: E402


def test_a_class_keeps_its_cells_as_often_as_the_theory_says() -> None:
    """Of n = 39 the 4th smallest is left: 36 in 40 = 0.9; without the new cell it would be 37 in 40 = 0.925."""
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 39).astype(np.int32)
    low = [
        fit_class_thresholds(0.3 * rng.uniform(size=(117, 3)), kind, 0.9) / 0.3 for _ in range(1000)
    ]
    assert 1 - np.mean(low) == pytest.approx(0.9, abs=0.004)


@pytest.mark.parametrize("shares", [SHARES, (0.1, 0.1, 0.8)])
def test_nine_in_ten_cells_of_each_class_keep_it_whatever_the_class_shares(
    shares: tuple[float, float, float],
) -> None:
    cells, others = toy(5_000, 0), toy(20_000, 1, shares)
    threshold = fit_class_thresholds(cells.posterior(SHARES), cells.kind, 0.9)
    assert threshold[2] < 0.2
    members = class_members(others.posterior(SHARES), threshold.tolist())
    for label in (0, 2):  # the granulocytes' threshold is held at 1/3 and covers more
        held = members[others.kind == label, label].mean()
        assert held == pytest.approx(0.9, abs=0.03), label
    assert members[others.kind == 1, 1].mean() > 0.9


def test_a_set_is_never_empty_and_a_cell_between_two_classes_has_both() -> None:
    sure = np.eye(3)[np.arange(300) % 3] * 0.97 + 0.01
    threshold = fit_class_thresholds(sure, (np.arange(300) % 3).astype(np.int32), 0.9)
    assert threshold.tolist() == pytest.approx([1 / 3] * 3)
    cells = np.array([[0.5, 0.49, 0.01], [1 / 3, 1 / 3, 1 / 3], [0.34, 0.33, 0.33]])
    sets = class_members(cells, threshold.tolist())
    assert sets.tolist() == [[True, True, False], [True, True, True], [True, False, False]]


def test_a_class_of_very_few_cells_can_never_be_excluded() -> None:
    few = np.array([0] * 50 + [1] * 50 + [2] * 8, np.int32)
    assert fit_class_thresholds(np.full((108, 3), 1 / 3), few, 0.9)[2] == 0
