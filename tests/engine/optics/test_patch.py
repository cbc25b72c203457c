import numpy as np
import pytest

from phenostream.engine.optics.cells import draw_object
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.patch import TAPER_UM, render_object


@pytest.mark.parametrize("pixel_size_um", [0.1, 0.1715, 0.2, 0.686])
def test_a_patch_shows_the_same_object_at_any_pixel(pixel_size_um: float) -> None:
    shown = draw_object(np.random.default_rng(7), "red", "easy")
    patch = render_object(shown, pixel_size_um, Optics())
    n = patch.shape[-1]
    assert n * pixel_size_um == pytest.approx(27.44, abs=pixel_size_um + 1e-6)
    line = (np.arange(n) - (n - 1) / 2) * pixel_size_um
    weight = np.abs(patch.sum(axis=0) - 4)
    assert (weight.sum(axis=1) @ line) / weight.sum() == pytest.approx(
        shown.cells[0].y_um, abs=0.25
    )
    energy = ((patch - 1) ** 2).sum() * pixel_size_um**2
    fine = render_object(shown, 0.1715, Optics())
    assert energy == pytest.approx(((fine - 1) ** 2).sum() * 0.1715**2, rel=0.25)


def test_four_fine_pixels_add_up_to_one_coarse_pixel() -> None:
    shown = draw_object(np.random.default_rng(8), "monocyte", "easy")
    fine = render_object(shown, 0.1715, Optics())
    coarse = render_object(shown, 0.686, Optics())
    binned = fine.reshape(4, 40, 4, 40, 4).mean(axis=(2, 4))
    assert np.abs(binned - coarse)[:, 4:-4, 4:-4].max() < 2e-3


def test_the_fade_to_one_leaves_the_cell_alone() -> None:
    shown = draw_object(np.random.default_rng(8), "granulocyte", "easy")
    patch = render_object(shown, 0.1715, Optics())
    width = int(TAPER_UM / 0.1715)
    assert (patch[:, 0] == 1).all()
    assert (patch[:, :, -1] == 1).all()
    assert np.abs(patch[:, width : 2 * width] - 1).max() < 0.08
    assert np.abs(patch - 1).max() > 0.3
