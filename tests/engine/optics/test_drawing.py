from dataclasses import replace

import numpy as np
import pytest

from phenostream.engine.optics.cells import KINDS, RedCell, SimulatedObject, WhiteCell, draw_object
from phenostream.engine.optics.drawing import ObjectGrid, draw

GRID = ObjectGrid(160, 0.1715)


@pytest.mark.parametrize("kind", KINDS)
def test_phase_is_positive_local_and_of_a_cells_size(kind: str) -> None:
    phase, _ = draw(draw_object(np.random.default_rng(2), kind, "hard"), GRID, 0.515)
    assert phase.shape == (160, 160)
    assert phase.dtype == np.float32
    assert 0.05 < phase.max() < 6.0
    assert phase.min() > -0.05
    assert np.abs(phase[:16]).max() == 0.0


def test_a_cell_is_drawn_at_its_centre() -> None:
    shown = draw_object(np.random.default_rng(5), "lymphocyte", "easy")
    moved = replace(shown.cells[0], y_um=2.0, x_um=-3.0)
    phase, _ = draw(SimulatedObject((moved,), 0.0), GRID, 0.515)
    y, x = GRID.axes(0.0, 0.0)
    assert (phase * y).sum() / phase.sum() == pytest.approx(2.0, abs=0.5)
    assert (phase * x).sum() / phase.sum() == pytest.approx(-3.0, abs=0.5)


def test_red_cells_absorb_and_white_cells_do_not() -> None:
    red = draw_object(np.random.default_rng(0), "red", "easy")
    white = draw_object(np.random.default_rng(0), "monocyte", "easy")
    assert isinstance(red.cells[0], RedCell)
    loss = draw(red, GRID, 0.515)[1]
    assert loss is not None
    assert 0.01 < loss.max() < 0.1
    assert draw(white, GRID, 0.515)[1] is None


def test_a_pair_is_the_sum_of_its_cells() -> None:
    pair = draw_object(np.random.default_rng(9), "granulocyte", "hard", "red")
    both, loss = draw(pair, GRID, 0.515)
    parts = [draw(SimulatedObject((cell,), 0.0), GRID, 0.515)[0] for cell in pair.cells]
    assert np.allclose(both, parts[0] + parts[1], atol=1e-5)
    assert loss is not None


def test_the_volume_of_a_settled_cell_is_that_of_its_sphere() -> None:
    cell = draw_object(np.random.default_rng(4), "lymphocyte", "easy").cells[0]
    assert isinstance(cell, WhiteCell)
    plain = replace(
        cell, edge=0.5, skirt=0.0, harmonics=0.0, granules=0, nucleus_dn=0.0, body_texture=0.0
    )
    phase, _ = draw(SimulatedObject((plain,), 0.0), GRID, 0.515)
    volume = phase.sum() * GRID.pixel_um**2 * 0.515 / (2 * np.pi) / plain.body_dn
    assert volume == pytest.approx(np.pi / 6 * plain.diameter_um**3, rel=0.02)
