import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.errors import BadFrame
from phenostream.engine.optics.measure import apparent_diameter

F32 = npt.NDArray[np.float32]


def _shaded_disc(diameter_px: float, y: float = 66.0, x: float = 61.0) -> F32:
    """A dark disc, brighter toward one edge, on a tilted noisy background."""
    rows, columns = np.indices((128, 128), np.float32)
    rho = np.hypot(rows - y, columns - x) / (diameter_px / 2)
    bump = np.where(rho < 1, 0.12 * (columns - x) / (diameter_px / 2) - 0.4, 0.0)
    noise = np.random.default_rng(0).normal(0, 0.01, bump.shape)
    return np.asarray(1 + bump + noise + 0.0005 * rows, np.float32)


@pytest.mark.parametrize("diameter_px", [36, 50, 64])
def test_a_disc_measures_its_diameter_within_eight_percent(diameter_px: int) -> None:
    assert apparent_diameter(_shaded_disc(diameter_px)) == pytest.approx(diameter_px, rel=0.08)


def test_gain_offset_and_sign_do_not_matter() -> None:
    image = _shaded_disc(50)
    want = apparent_diameter(image)
    assert apparent_diameter(np.asarray(-120 * image + 300, np.float32)) == pytest.approx(want)


def test_eight_bit_stretching_hardly_matters() -> None:
    image = _shaded_disc(50)
    span = image.max() - image.min()
    stretched = ((image - image.min()) / span * 255).astype(np.uint8)
    assert apparent_diameter(stretched) == pytest.approx(apparent_diameter(image), rel=0.01)


def test_a_neighbour_at_the_border_is_left_out() -> None:
    image = _shaded_disc(40, 64, 64) + _shaded_disc(40, 64, 124) - 1
    assert apparent_diameter(image) == pytest.approx(40, rel=0.12)


def test_a_blank_image_has_no_diameter() -> None:
    assert apparent_diameter(np.ones((64, 64), np.float32)) == 0.0


def test_what_is_no_plane_is_refused() -> None:
    with pytest.raises(BadFrame, match="32 x 32"):
        apparent_diameter(np.ones((4, 64, 64), np.float32))
