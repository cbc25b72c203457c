"""Are the DPC channels of a data set what they are called? Asked of its own cells.

Which way BSCCM's axes point was inferred, not documented; the cells tell. Packed images are laid side by side as one
frame, and judged as `check-orientation` judges a recording. Knows packed cells only.
"""

from math import isqrt
from typing import Final

import numpy as np

from phenostream.engine.crop import ring_background
from phenostream.engine.optics.diagnosis import diagnose
from phenostream.engine.optics.dipole_sums import DipoleSums
from phenostream.engine.optics.dipoles import measure_dipoles
from phenostream.engine.optics.orientation import Orientation
from phenostream.engine.types import CROP_PX, F32, Reduced
from phenostream.trainer.data.cell_set import WHITE
from phenostream.trainer.data.packed import PackedCells, fraction_of_full_scale

_MOST_CELLS: Final = 400


def shots_seen(cells: PackedCells) -> Orientation:
    """The verdict on the shots, from the first 400 white cells with a class."""
    rows = np.flatnonzero((cells.kind >= 0) & (cells.kind < WHITE))[:_MOST_CELLS]
    sums = DipoleSums()
    side = isqrt(len(rows))
    if side:
        images = fraction_of_full_scale(cells.images[rows[: side * side]])
        light = np.maximum(ring_background(images), np.finfo(np.float32).tiny)
        images /= light[:, :, None, None]
        sums.add(measure_dipoles(Reduced(_mosaic(images, side), 1.0, None)))
    return diagnose(sums.mean())


def _mosaic(tiles: F32, side: int) -> F32:
    """Tiles (side², 4, 28, 28) as one frame (4, 28 side, 28 side)."""
    grid = tiles.reshape(side, side, 4, CROP_PX, CROP_PX)
    return np.ascontiguousarray(grid.transpose(2, 0, 3, 1, 4)).reshape(4, side * CROP_PX, -1)
