"""Where objects lie in a field: random places that keep the spacing between all their cells.

Knows distances between centres and outlines; does not know images. An object that finds no room is left out.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_TRIES: Final = 60


@dataclass(frozen=True, slots=True)
class Spacing:
    """What places are allowed.

    Attributes:
        shape: Height and width of the field, pixels.
        pixel_um: Pixel at the sample, µm.
        margin_px: Least distance of a centre from the border; 0 lets cells be cut.
        centres_um: Least distance between two centres.
        gap_um: Least distance between two outlines.
    """

    shape: tuple[int, int]
    pixel_um: float
    margin_px: float
    centres_um: float
    gap_um: float


class Field:
    """The places already taken in one field."""

    def __init__(self, spacing: Spacing, most_cells: int) -> None:
        self._spacing = spacing
        self._at = np.empty((most_cells, 2))
        self._wide_um = np.empty(most_cells)
        self._taken = 0

    def put(
        self, off_um: F64, wide_um: npt.NDArray[np.float32], middle: float, rng: np.random.Generator
    ) -> I64 | None:
        """Top left corner (2,) of a patch whose cells keep their distance, now taken; None where no room was found.

        Args:
            off_um: (C, 2) offsets (y, x) of the object's cells from the middle of its patch.
            wide_um: (C,) their diameters.
            middle: Position of the patch's middle from its first pixel, pixels.
            rng: Throws the darts.
        """
        own = self._spacing
        span = np.array(own.shape) - 1
        low = min(own.margin_px, float(span.min()) / 2)
        darts = rng.uniform(low, span - low, (_TRIES, 2)) - middle
        for corner in np.rint(darts).astype(np.int64):
            at = corner + middle + off_um / own.pixel_um
            if self._has_room(at, wide_um):
                end = self._taken + len(at)
                self._at[self._taken : end], self._wide_um[self._taken : end] = at, wide_um
                self._taken = end
                return np.asarray(corner)
        return None

    def _has_room(self, at: F64, wide_um: npt.NDArray[np.float32]) -> bool:
        own = self._spacing
        if own.margin_px:
            highest = np.array(own.shape) - 1 - own.margin_px
            if (at < own.margin_px).any() or (at > highest).any():
                return False
        apart = at[:, None] - self._at[None, : self._taken]
        apart_um = np.hypot(apart[..., 0], apart[..., 1]) * own.pixel_um
        outlines = (wide_um[:, None] + self._wide_um[None, : self._taken]) / 2 + own.gap_um
        return bool((apart_um >= np.maximum(outlines, own.centres_um)).all())
