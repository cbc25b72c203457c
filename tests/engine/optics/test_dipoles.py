"""Dipoles of drawn and simulated cells: where they point, and that no shot's name is believed."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.optics.dipole_sums import DipoleSums
from phenostream.engine.optics.dipoles import measure_dipoles
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.optics.patch import render_object
from phenostream.engine.optics.rendering import BankSpec, draw_spec_object
from phenostream.engine.types import SHOTS, Reduced

F32 = npt.NDArray[np.float32]
SIDE = 160


def frame(cells: list[tuple[float, float]], tilts: list[tuple[float, float]]) -> Reduced:
    """A noisy field with cells that are bright on the sides `tilts` (y, x) in each of the four shots."""
    y, x = np.indices((SIDE, SIDE), np.float32)
    light = np.random.default_rng(0).normal(0.4, 0.002, (4, SIDE, SIDE)).astype(np.float32)
    for at_y, at_x in cells:
        bell = np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (2 * 4.0**2))
        for shot, (tilt_y, tilt_x) in zip(light, tilts, strict=True):
            shot += 0.04 * bell * ((y - at_y) * tilt_y + (x - at_x) * tilt_x)
    return Reduced(light, 1.0, None)


CELLS = [(40.0, 42.0), (41.0, 110.0), (82.0, 76.0), (118.0, 44.0), (120.0, 119.0)]
RIGHT = [(float(TILT[shot][0]), float(TILT[shot][1])) for shot in SHOTS]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 1, 0), (0, 2, 1, 3)])
def test_every_cell_is_found_whatever_its_shots_are_called(order: tuple[int, ...]) -> None:
    found = measure_dipoles(frame(CELLS, [RIGHT[index] for index in order]))
    assert len(found) == len(CELLS)
    for shot, index in enumerate(order):
        along = found.vectors[:, shot] @ np.array(RIGHT[index])
        across = found.vectors[:, shot] @ np.array(RIGHT[index])[::-1]
        assert (along > 0.4).all()
        assert (np.abs(across) < 0.1).all()


def test_only_so_many_cells_as_asked_for_are_measured() -> None:
    assert len(measure_dipoles(frame(CELLS, RIGHT), most=2)) == 2


def test_noise_alone_holds_no_cell_and_neither_does_darkness() -> None:
    assert len(measure_dipoles(frame([], RIGHT))) == 0
    dark = measure_dipoles(Reduced(np.zeros((4, SIDE, SIDE), np.float32), 1.0, None))
    assert len(dark) == 0
    assert not dark.lit.any()


def test_a_shot_without_light_has_no_dipole_and_spoils_no_other() -> None:
    reduced = frame(CELLS, RIGHT)
    reduced.shots[3] = 0
    found = measure_dipoles(reduced)
    assert found.lit.tolist() == [True, True, True, False]
    assert not found.vectors[:, 3].any()
    assert (found.vectors[:, 2] @ np.array(RIGHT[2]) > 0.4).all()


def test_scaling_a_shot_changes_no_dipole() -> None:
    plain, bright = frame(CELLS, RIGHT), frame(CELLS, RIGHT)
    bright.shots[1] *= 1.7
    assert measure_dipoles(bright).vectors == pytest.approx(
        measure_dipoles(plain).vectors, abs=1e-3
    )


def test_sums_give_the_mean_and_its_standard_error() -> None:
    found, sums = measure_dipoles(frame(CELLS, RIGHT)), DipoleSums()
    sums.add(found)
    sums.add(found)
    mean = sums.mean()
    twice = np.concatenate([found.vectors] * 2).astype(float)
    assert mean.cells == 2 * len(CELLS)
    assert mean.vector == pytest.approx(twice.mean(axis=0))
    spread = np.var(twice[:, 0], axis=0) / (len(twice) - 1)
    assert np.diag(mean.covariance[0]) == pytest.approx(spread, rel=1e-6, abs=1e-12)
    assert mean.likeness[0, 1] < -0.8
    assert np.diag(mean.likeness) == pytest.approx(1.0)


def test_a_fading_memory_follows_what_comes_last() -> None:
    sums = DipoleSums(window_cells=10)
    for order in [RIGHT] * 8 + [[RIGHT[1], RIGHT[0], RIGHT[2], RIGHT[3]]] * 8:
        sums.add(measure_dipoles(frame(CELLS, order)))
    mean = sums.mean()
    assert mean.vector[0] @ np.array(RIGHT[1]) > 0.4
    assert mean.cells < 20


def test_nothing_added_means_nothing() -> None:
    mean = DipoleSums().mean()
    assert mean.cells == 0
    assert not mean.vector.any()


@pytest.mark.parametrize("defocus_um", [-8.0, -0.8, 0.8, 8.0])
def test_the_bright_side_is_the_same_on_either_side_of_the_focus(defocus_um: float) -> None:
    spec = BankSpec(seed=41, n=6, preset="hard", pixel_size_um=0.343, kind_mix=(1.0, 0.0, 0.0))
    sums = DipoleSums()
    for index in range(spec.n):
        shown = replace(draw_spec_object(spec, index), defocus_um=defocus_um)
        patch = render_object(shown, spec.pixel_size_um, spec.optics)
        sums.add(measure_dipoles(_on_a_field(patch)))
    mean = sums.mean()
    assert mean.cells >= spec.n
    assert all(mean.vector[shot] @ np.array(RIGHT[shot]) > 0.15 for shot in range(4))
    assert all(abs(mean.vector[shot] @ np.array(RIGHT[shot])[::-1]) < 0.15 for shot in range(4))


def _on_a_field(patch: F32) -> Reduced:
    """One rendered cell of 0.343 µm pixels in the middle of an empty field of reduced pixels."""
    side = patch.shape[-1] // 2
    halved = patch[:, : 2 * side, : 2 * side].reshape(4, side, 2, side, 2).mean(axis=(2, 4))
    field = np.random.default_rng(1).normal(1.0, 0.003, (4, SIDE, SIDE)).astype(np.float32)
    top = (SIDE - side) // 2
    field[:, top : top + side, top : top + side] *= halved
    return Reduced(np.float32(0.4) * field, 2.0, None)
