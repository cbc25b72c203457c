import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.optics.proteins import FLOOR_LOG10, draw_markers, expected_markers
from phenostream.engine.types import CLASSES


def _many(kind: str, diameter_um: float = 8.4, maturity: float = 0.0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(7)
    return np.stack([draw_markers(rng, kind, diameter_um, maturity) for _ in range(400)])


@pytest.mark.parametrize("kind", CLASSES)
def test_levels_are_finite_and_not_below_the_floor(kind: str) -> None:
    levels = _many(kind)
    assert levels.dtype == np.float32
    assert levels.shape == (400, 4)
    assert levels.min() >= FLOOR_LOG10


def test_larger_cells_carry_more_cd45() -> None:
    assert np.median(_many("lymphocyte", 10.0)[:, 2] - _many("lymphocyte", 7.0)[:, 2]) > 0.2


def test_mature_granulocytes_carry_more_cd16_and_other_classes_do_not_mind() -> None:
    gain = _many("granulocyte", maturity=2.0) - _many("granulocyte", maturity=-2.0)
    assert np.median(gain[:, 3]) > 0.15
    assert np.abs(gain[:, :3]).max() < 1e-6
    same = _many("monocyte", maturity=2.0) - _many("monocyte", maturity=-2.0)
    assert np.abs(same).max() == 0


def test_some_lymphocytes_are_nk_cells_with_cd16() -> None:
    high = (_many("lymphocyte")[:, 3] > 0.75).mean()
    assert 0.06 < high < 0.25


def test_a_kind_without_proteins_is_refused() -> None:
    with pytest.raises(KeyError):
        draw_markers(np.random.default_rng(0), "red", 8.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "maturity"), [*((one, 0.0) for one in CLASSES), (CLASSES[1], 1.5)]
)
def test_expected_levels_are_the_mean_of_many_draws(kind: str, maturity: float) -> None:
    rng = np.random.default_rng(1)
    drawn = np.stack([draw_markers(rng, kind, 9.5, maturity) for _ in range(4000)])
    expected = expected_markers(kind, np.array([2 * np.log(9.5)]), np.array([maturity]))[0]
    standard_error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - expected) < 4 * standard_error).all()
