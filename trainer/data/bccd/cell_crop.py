"""The white cell of a smear picture, cut out: what the classifier is fed.

Cell pictures were squeezed from 4:3 to a square, and turned with black corners. The crop takes the same part of the
field whatever the cell's size, undoes the squeeze, brings the clear background between the cells to one grey, and
fills what lies outside the field with that grey: neither lamp colour nor black corners are there to be learnt from.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.stained import find_white_cells
from phenostream.engine.types import F32, U8, Bool

PICTURE_PX: Final = 128
"""Side of the pictures that everything here is stated in; others are resampled to it."""
CELL_PX: Final = (53.0, 40.0)
"""Height and width of a typical white cell in such a picture."""
_FIELD_PX: Final = (76, 57)
"""Height and width of what is cut out; the largest monocytes are 70 x 53."""
BACKGROUND: Final = 230
"""Grey that the clear background is brought to."""
_DARK: Final = 40
_CLEAR_SHARE: Final = 0.2
_SEAM_PX: Final = 5


def cell_crop(picture: U8, side_px: int) -> U8:
    """The most stained cell of a picture (128, 128, 3) uint8 RGB, as (3, side_px, side_px) uint8.

    A picture without any stain gives its middle.
    """
    lit = _lit(picture)
    balanced = _balanced(picture, lit)
    row, column = cell_centre(picture)
    height, width = _FIELD_PX
    scale_y, scale_x = side_px / height, side_px / width
    affine = np.array(
        [
            [scale_x, 0, (width / 2 - column) * scale_x - 0.5],
            [0, scale_y, (height / 2 - row) * scale_y - 0.5],
        ]
    )
    cut = cv2.warpAffine(
        balanced, affine, (side_px, side_px), flags=cv2.INTER_LINEAR, borderValue=(BACKGROUND,) * 3
    )
    return np.ascontiguousarray(np.moveaxis(cut, 2, 0), np.uint8)


def cell_centre(picture: U8) -> tuple[float, float]:
    """Row and column of the middle of the most stained cell, in pixels from the picture's corner."""
    cells = find_white_cells(picture, CELL_PX)
    if len(cells):
        left, top, right, bottom = cells.box[0].tolist()
        return (top + bottom) / 2, (left + right) / 2
    blue_over_red = picture[..., 2].astype(np.float32) - picture[..., 0]
    blue_over_green = picture[..., 2].astype(np.float32) - picture[..., 1]
    stain = np.clip(blue_over_green + blue_over_red / 2, 0, None)
    smooth = cv2.GaussianBlur(stain, (0, 0), CELL_PX[1] / 6, borderType=cv2.BORDER_CONSTANT)
    if smooth.max() <= 0:
        return picture.shape[0] / 2, picture.shape[1] / 2
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    return float(row) + 0.5, float(column) + 0.5


def _lit(picture: U8) -> Bool:
    """Inside the field: no black corner, nor the seam along it."""
    lit = (picture.max(axis=2) > _DARK).astype(np.uint8)
    lit = cv2.erode(lit, np.ones((_SEAM_PX, _SEAM_PX), np.uint8), borderValue=1)
    return np.asarray(lit > 0)


def _balanced(picture: U8, lit: Bool) -> U8:
    """The background, the brightest part of the field, is grey; so is everything outside the field."""
    if not lit.any():
        return np.full_like(picture, BACKGROUND)
    light = _background(picture, lit)
    scaled = picture.astype(np.float32) * (BACKGROUND / light)
    scaled[~lit] = BACKGROUND
    return np.asarray(scaled.clip(0, 255).round(), np.uint8)


def _background(picture: U8, lit: Bool) -> F32:
    darkest: npt.NDArray[np.uint8] = picture.min(axis=2)
    clear = lit & (darkest >= np.quantile(darkest[lit], 1 - _CLEAR_SHARE))
    return np.asarray(np.maximum(np.median(picture[clear], axis=0), 1), np.float32)
