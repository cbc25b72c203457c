"""`bsccm-gaussian` against scikit-image, which made BSCCMNIST."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter
from skimage.transform import resize

from phenostream.engine.bands import BSCCM_FACTOR
from phenostream.engine.bsccm import bsccmnist_pixels
from phenostream.engine.errors import BadInput
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import REDUCED_PIXEL_UM, Camera

F64 = npt.NDArray[np.float64]
CELLS = 60
CAMERA = Camera(0.2, 30, 4095, "u16")
AT_BSCCMS_FACTOR = Camera(REDUCED_PIXEL_UM / BSCCM_FACTOR, 30, 4095, "u16")


def _cells(count: int = CELLS) -> npt.NDArray[np.uint16]:
    """Textures from white noise to nearly flat, over the whole 12-bit range."""
    rng = np.random.default_rng(0)
    made = []
    for blur in np.linspace(0, 5, count):
        texture = gaussian_filter(rng.normal(size=(128, 128)), blur)
        made.append(2000 + 700 * texture / texture.std())
    return np.asarray(np.clip(made, 0, 4095), np.uint16)


def _scikit_image(cell: npt.NDArray[np.uint16]) -> F64:
    """A BSCCMNIST pixel before it is cut to a whole number, as SPEC a.3 says it was made."""
    kept = cell[16:112, 16:112] / 16
    return np.asarray(resize(kept, (28, 28), anti_aliasing=True), np.float64)


def test_the_offline_pixels_are_those_of_scikit_image() -> None:
    cells = _cells()
    expected = np.stack([_scikit_image(cell).astype(np.uint8) for cell in cells])
    assert np.array_equal(bsccmnist_pixels(cells), expected)


def test_where_a_value_is_a_whole_number_cutting_may_go_either_way_by_one() -> None:
    """An exactly even cell of a multiple of 16: a rounding error in the 15th digit decides; no real cell is even."""
    for count in (0, 160, 1600, 4080):
        pixels = bsccmnist_pixels(np.full((128, 128), count, np.uint16)).astype(int)
        assert abs(pixels - count // 16).max() <= 1
        even = np.full((128, 128), count, np.uint16)
        assert abs(pixels - _scikit_image(even).astype(np.uint8)).max() <= 1


@pytest.mark.parametrize(
    ("camera", "places", "tolerance"),
    [(AT_BSCCMS_FACTOR, [(0, 0), (28, 28), (56, 28)], 1e-4), (CAMERA, [(0, 0)], 0.08)],
    ids=["0.20008", "0.2"],
)
def test_a_live_crop_is_scikit_images_but_for_its_border(
    camera: Camera, places: list[tuple[int, int]], tolerance: float
) -> None:
    """Inside two pixels of the border, relative to the cell's sd; at 0.2 µm the grid moves by 0.04 pixels over
    a crop, for 0.686 is not quite 0.2 * 96 / 28."""
    rng = np.random.default_rng(1)
    field = gaussian_filter(rng.normal(size=(384, 384)), 1.0)
    counts = (1500 + 300 * field / field.std()).astype(np.uint16)
    shots = Reducer(camera, (384, 384), kernel="bsccm-gaussian")
    got = np.empty(shots.reduced_shape, np.float32)
    shots._downsampler.reduce(counts, got)
    for top, left in places:
        y, x = round(top * BSCCM_FACTOR), round(left * BSCCM_FACTOR)
        whole = np.zeros((128, 128), np.uint16)
        whole[16:112, 16:112] = counts[y : y + 96, x : x + 96]
        crop = got[top : top + 28, left : left + 28] / 16
        difference = abs(crop - _scikit_image(whole)) / crop.std()
        assert difference[2:-2, 2:-2].max() < tolerance
        assert difference.max() < 1.0  # the crop's border mirrors itself, the frame goes on


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        (np.zeros((128, 127), np.uint16), "128, 128"),
        (np.zeros((128, 128), np.uint8), "uint8"),
        (np.full((2, 128, 128), 4096, np.uint16), "a count of 4096"),
    ],
)
def test_what_is_no_cell_of_bsccm_is_refused(cells: npt.NDArray[np.uint16], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        bsccmnist_pixels(cells)


def test_no_cells_give_no_pixels() -> None:
    assert bsccmnist_pixels(np.zeros((0, 128, 128), np.uint16)).shape == (0, 28, 28)
