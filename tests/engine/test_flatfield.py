import numpy as np
import pytest

from phenostream.engine.flatfield import FlatField
from phenostream.engine.types import F32


def _shading(shape: tuple[int, int], strength: float) -> F32:
    y, x = (np.indices(shape) / (np.array(shape)[:, None, None] - 1)) * 2 - 1
    tilts = np.array([[1, 0, -0.5], [-1, 0.3, 0], [0, 1, 0.6], [0.2, -1, -0.8]])
    terms = np.stack([x, y, x * x + y * y])
    return (0.4 * (1 + strength * np.tensordot(tilts, terms, axes=1))).astype(np.float32)


def _with_cells(shots: F32, count: int) -> F32:
    """Pastes dipoles of 14 pixels: bright on one side, dark on the other, brighter than darker."""
    rng = np.random.default_rng(0)
    y, x = np.indices((29, 29)) - 14
    dipole = np.exp(-(y**2 + x**2) / 40) * (x / 6 + 0.15)
    shots = shots.copy()
    height, width = shots.shape[1:]
    for top, left in zip(
        rng.integers(0, height - 29, count), rng.integers(0, width - 29, count), strict=True
    ):
        for shot, turned in zip(shots, (dipole, -dipole, dipole.T, -dipole.T), strict=True):
            shot[top : top + 29, left : left + 29] *= (1 + turned).astype(np.float32)
    return shots


@pytest.mark.parametrize("shape", [(512, 512), (149, 149), (90, 512), (37, 37)])
def test_shading_is_divided_out_and_the_level_kept(shape: tuple[int, int]) -> None:
    shots = _shading(shape, 0.04)
    level = shots.mean(axis=(1, 2))
    before = shots.std(axis=(1, 2)) / level
    FlatField(shape).remove(shots)
    assert shots.mean(axis=(1, 2)) == pytest.approx(level, rel=0.01)
    if min(shape) > 100:
        assert (shots.std(axis=(1, 2)) / level < before / 20).all()


@pytest.mark.parametrize("cells", [250, 500])
def test_crowded_frames_do_not_bend_the_flat_field(cells: int) -> None:
    shape = (512, 512)
    crowded = _with_cells(_shading(shape, 0.04), cells)
    flat = _with_cells(np.full((4, *shape), 0.4, np.float32), cells)
    FlatField(shape).remove(crowded)
    ratio = crowded / flat
    assert (ratio / np.median(ratio, axis=(1, 2), keepdims=True)).std() < 0.005


def test_a_shot_without_light_is_left_alone() -> None:
    shots = _shading((256, 256), 0.04)
    shots[2] = 0.0
    FlatField((256, 256)).remove(shots)
    assert (shots[2] == 0).all()
    assert np.isfinite(shots).all()
