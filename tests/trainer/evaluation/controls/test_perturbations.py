from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics import symmetry
from phenostream.engine.optics.cells import SimulatedObject
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.types import F32, SHOTS
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.controls import perturbations as p


def test_every_swap_and_every_turn_without_its_shots_is_there_once(white_cells: CellSet) -> None:
    sets = p.perturbed(white_cells.select(np.arange(3)))
    assert [name for name in sets if name.startswith("swap")] == [
        "swap left-right",
        "swap left-top",
        "swap left-bottom",
        "swap right-top",
        "swap right-bottom",
        "swap top-bottom",
    ]
    assert len(sets) == 6 + 3 + 2 + 2
    images = np.stack([cells.images for cells in sets.values()])
    assert all(len(cells) == 3 for cells in sets.values())
    for one in range(len(images)):
        apart = np.abs(images - images[one]).mean(axis=(1, 2, 3, 4))
        assert (np.delete(apart, one) > 1e-3).all()


def test_a_swap_moves_background_with_the_shot_and_is_its_own_inverse(white_cells: CellSet) -> None:
    cells = white_cells.select(np.arange(4))
    shading = np.array([0.9, 1.0, 1.1, 1.2], np.float32)
    cells = replace(cells, background=cells.background * shading)
    once = p.swapped(cells, 0, 2)
    assert np.array_equal(once.background, cells.background[:, [2, 1, 0, 3]])
    assert np.array_equal(p.swapped(once, 0, 2).images, cells.images)


@pytest.mark.parametrize("pair", [(0, 0), (0, 4), (-1, 2)])
def test_a_swap_needs_two_of_the_four_shots(white_cells: CellSet, pair: tuple[int, int]) -> None:
    with pytest.raises(BadConfig, match=r"swap of shots .* need two of 0\.\.3"):
        p.swapped(white_cells, *pair)


def test_a_symmetry_keeps_where_each_shot_is_bright_and_a_turn_alone_does_not(
    white_cells: CellSet,
) -> None:
    tilts = np.array([TILT[shot] for shot in SHOTS], np.float64)
    for cells in p.kept(white_cells).values():
        assert (np.sum(_dipoles(cells) * tilts, axis=1) > 0).all()
    for turns in (1, 2, 3):
        along = np.sum(_dipoles(p.turned_alone(white_cells, turns)) * tilts, axis=1)
        assert not (along > 0).all()


def test_a_half_turn_alone_is_both_pairs_swapped(white_cells: CellSet) -> None:
    turned = p.turned_alone(white_cells, 2).images
    both = p.swapped(p.swapped(white_cells, 0, 1), 2, 3).images
    assert np.array_equal(turned, symmetry.turn(np, both[:, [1, 0, 3, 2]], 2))
    assert np.array_equal(turned, symmetry.apply(np, both, 2))


def test_shuffled_shots_keep_each_shots_own_background(white_cells: CellSet) -> None:
    shading = np.array([0.9, 1.0, 1.1, 1.2], np.float32)
    cells = replace(
        white_cells,
        images=white_cells.images * shading[:, None, None],
        background=white_cells.background * shading,
    )
    shuffled = p.shots_shuffled(cells, seed=5)
    level = shuffled.images.mean(axis=(2, 3)) / shuffled.background
    assert np.allclose(np.sort(level), np.sort(cells.images.mean(axis=(2, 3)) / cells.background))
    assert np.array_equal(shuffled.images, p.shots_shuffled(cells, seed=5).images)
    moved = (shuffled.images != cells.images).any(axis=(1, 2, 3)).mean()
    assert 0.85 < moved <= 1


@pytest.mark.parametrize("defocus_um", [4.0, -4.0])
def test_geometric_defocus_is_much_nearer_to_the_rendered_one_than_the_cell_in_focus(
    white_cells: CellSet,
    white_objects: list[SimulatedObject],
    rendered: Callable[[SimulatedObject, float], F32],
    defocus_um: float,
) -> None:
    few = white_cells.select(np.arange(12))
    true = np.stack([rendered(one, defocus_um) for one in white_objects[:12]])
    said = p.defocused(few, defocus_um).images
    wrong_side = p.defocused(few, -defocus_um).images
    assert _likeness(said, true) > 0.85
    assert _likeness(few.images, true) < 0.75
    assert _likeness(wrong_side, true) < _likeness(few.images, true)


def test_defocus_by_nothing_changes_nothing(white_cells: CellSet) -> None:
    few = white_cells.select(np.arange(3))
    assert np.allclose(p.defocused(few, 0.0).images, few.images, atol=1e-6)


def _likeness(a: F32, b: F32) -> float:
    return float(np.corrcoef((a - 0.4).ravel(), (b - 0.4).ravel())[0, 1])


def _dipoles(cells: CellSet) -> npt.NDArray[np.float64]:
    """(4, 2) mean over the cells of Σ contrast (y, x)."""
    contrast = (cells.images / cells.background[:, :, None, None] - 1).mean(axis=0)
    y, x = np.indices((28, 28)) - 13.5
    return np.stack([(contrast * y).sum(axis=(1, 2)), (contrast * x).sum(axis=(1, 2))], axis=1)
