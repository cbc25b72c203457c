import numpy as np
import pytest

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.illumination import TILT, half_annuli
from phenostream.engine.types import SHOTS


def _points(lit: np.ndarray | None = None) -> set[tuple[float, float]]:
    leds = half_annuli()
    chosen = slice(None) if lit is None else lit
    return set(zip(leds.na_y[chosen].tolist(), leds.na_x[chosen].tolist(), strict=True))


def test_every_shot_lights_at_least_40_points_of_the_annulus() -> None:
    leds = half_annuli()
    radius = np.hypot(leds.na_y, leds.na_x)
    assert leds.lit.sum(axis=1).min() >= 40
    assert radius.min() > 0.4
    assert radius.max() < 0.5


def test_points_on_an_axis_belong_to_both_halves() -> None:
    leds = half_annuli()
    left, right, top, bottom = leds.lit
    assert (left & right).sum() == (leds.na_x == 0).sum() > 0
    assert (top & bottom).sum() == (leds.na_y == 0).sum() > 0


def test_the_ring_is_closed_under_mirror_and_quarter_turn_to_the_last_bit() -> None:
    ring = _points()
    assert {(y, -x + 0.0) for y, x in ring} == ring
    assert {(-x + 0.0, y) for y, x in ring} == ring


def test_a_quarter_turn_of_the_left_half_is_the_top_half() -> None:
    leds = half_annuli()
    left, top = _points(leds.lit[0]), _points(leds.lit[2])
    assert {(-x + 0.0, y) for y, x in left} == top


@pytest.mark.parametrize("index", range(4))
def test_each_shot_tilts_the_way_its_name_says(index: int) -> None:
    leds = half_annuli()
    lit = leds.lit[index]
    tilt = np.array([leds.na_y[lit].mean(), leds.na_x[lit].mean()])
    assert np.allclose(tilt / np.abs(tilt).max(), TILT[SHOTS[index]], atol=1e-12)


@pytest.mark.parametrize("bad", [(0.5, 0.4, 2, 40), (0.4, 0.5, 0, 40), (0.4, 0.5, 2, 42)])
def test_an_impossible_annulus_is_refused(bad: tuple[float, float, int, int]) -> None:
    with pytest.raises(BadConfig, match="need"):
        half_annuli(*bad)
