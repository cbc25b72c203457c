from dataclasses import replace

import numpy as np

from phenostream.engine.optics.cells import SimulatedObject
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.controls.perturbations import kept
from phenostream.trainer.evaluation.controls.size_model import (
    phase_map,
    shading,
    size_features,
    sizes,
)


def test_sizes_follow_the_true_diameter(
    white_cells: CellSet, white_objects: list[SimulatedObject]
) -> None:
    true = np.log([one.cells[0].diameter_um for one in white_objects])
    measured = np.log(sizes(white_cells.images, white_cells.background))
    r = [np.corrcoef(true, column)[0, 1] for column in measured.T]
    assert r[0] > 0.75
    assert r[1] > 0.6
    assert r[2] > 0.3


def test_sizes_see_neither_level_nor_gain_nor_orientation(white_cells: CellSet) -> None:
    own = sizes(white_cells.images, white_cells.background)
    gain = np.array([0.7, 1.1, 0.9, 1.3], np.float32)
    brighter = white_cells.images * gain[:, None, None]
    assert np.allclose(sizes(brighter, white_cells.background * gain), own, rtol=1e-3)
    for cells in kept(white_cells).values():
        assert np.allclose(sizes(cells.images, cells.background), own, rtol=2e-3, atol=0.5)


def test_absorption_alone_has_no_phase() -> None:
    y, x = np.indices((28, 28)) - 13.5
    dark = 1 - 0.3 * (np.hypot(y, x) < 6)
    images = np.tile(0.4 * dark.astype(np.float32), (1, 4, 1, 1))
    background = np.full((1, 4), 0.4, np.float32)
    assert np.abs(phase_map(shading(images, background))).max() < 1e-6
    assert np.isfinite(size_features(images, background)).all()


def test_the_phase_of_a_dense_cell_is_positive_in_its_middle(white_cells: CellSet) -> None:
    phase = phase_map(shading(white_cells.images, white_cells.background))
    rim = phase[:, :2].mean(axis=(1, 2))
    assert (phase[:, 12:16, 12:16].mean(axis=(1, 2)) - rim > 0.3).mean() > 0.95


def test_dark_empty_and_no_crops_give_finite_sizes(white_cells: CellSet) -> None:
    dark = replace(
        white_cells,
        images=np.zeros_like(white_cells.images),
        background=np.zeros_like(white_cells.background),
    )
    assert np.isfinite(size_features(dark.images, dark.background)).all()
    none = white_cells.select(np.zeros(0, np.intp))
    assert size_features(none.images, none.background).shape == (0, 9)
