"""From a cell image of BSCCM to the pixels of BSCCMNIST, as its authors made them.

Crop 96 of 128 pixels, divide by 16, Gaussian and linear interpolation to 28 pixels as scikit-image's `resize` does by
default, cut off the fraction (SPEC a.3). For training sets; a live frame is reduced whole (`reduce`, kernel
``bsccm-gaussian``), has real neighbours where a crop has its own mirror image, and is not cut to whole numbers.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.bands import BSCCM_FACTOR, BSCCM_SIGMA_PX, F64, gaussian_bands
from phenostream.engine.errors import BadInput
from phenostream.engine.types import CROP_PX, U8

BSCCM_PX: Final = 128
"""Side of a BSCCM cell image, camera pixels of 0.2 µm."""
_KEPT_PX: Final = 96
_MOST: Final = 4095
_DIVISOR: Final = 16.0


def bsccmnist_pixels(cells: npt.NDArray[np.uint16]) -> U8:
    """BSCCMNIST's pixels of full BSCCM cells.

    Args:
        cells: (..., 128, 128) u16, 12-bit counts: one shot of one cell in its last two axes.

    Returns:
        (..., 28, 28) u8.

    Raises:
        BadInput: Another shape or type, or counts beyond 12 bits.
    """
    if cells.dtype != np.uint16 or cells.shape[-2:] != (BSCCM_PX, BSCCM_PX):
        raise BadInput(f"cells {cells.shape} {cells.dtype}: allowed (..., 128, 128) uint16")
    if cells.size and int(cells.max()) > _MOST:
        raise BadInput(f"cells: a count of {cells.max()}: allowed 0 to {_MOST} (12 bits)")
    margin = (BSCCM_PX - _KEPT_PX) // 2
    kept = cells[..., margin:-margin, margin:-margin] / _DIVISOR
    values: F64 = _WEIGHTS @ kept @ _WEIGHTS.T
    return values.astype(np.uint8)


def _weights() -> F64:
    """(28, 96): the whole of one axis as a matrix."""
    weights = np.zeros((CROP_PX, _KEPT_PX))
    for band in gaussian_bands(_KEPT_PX, CROP_PX, BSCCM_FACTOR, BSCCM_SIGMA_PX, CROP_PX):
        weights[band.start : band.stop, band.first : band.last] = band.weights
    return weights


_WEIGHTS: Final = _weights()
