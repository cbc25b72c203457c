"""Cells that may be one cell seen twice: pairs less than 3 µm apart on the stage.

A position in a field is added to the field's centre with a sign that is not documented, so all four are tried; the
middle of a field cancels in a difference. Knows positions only.
"""

from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import I32

F64 = npt.NDArray[np.float64]
NEAR_UM: Final = 3.0
SIGNS: Final = ("++", "+-", "-+", "--")
"""Signs of y and x in `near_pairs`' second result."""


def near_pairs(
    field_um: F64, in_field_px: F64, slide: I32, field: I32, pixel_um: float
) -> tuple[int, dict[str, int]]:
    """Count pairs of cells nearer than 3 µm.

    Args:
        field_um: (N, 2) centre of each cell's field, y and x.
        in_field_px: (N, 2) place of each cell in its field.
        slide: (N,) no pair spans two slides.
        field: (N,) field of each cell.
        pixel_um: Camera pixel at the sample.

    Returns:
        Pairs within one field, and pairs across fields for each of `SIGNS`.
    """
    offset_um = in_field_px * pixel_um
    within, across = 0, dict.fromkeys(SIGNS, 0)
    for number in np.unique(slide):
        rows = np.flatnonzero(slide == number)
        for name, sign in zip(SIGNS, product((1, -1), repeat=2), strict=True):
            pairs = _pairs(field_um[rows] + np.array(sign) * offset_um[rows])
            same = field[rows][pairs[:, 0]] == field[rows][pairs[:, 1]]
            across[name] += int((~same).sum())
            within += int(same.sum()) if name == SIGNS[0] else 0
    return within, across


def _pairs(places_um: F64) -> npt.NDArray[np.intp]:
    """(P, 2) rows of every pair, the smaller first."""
    from sklearn.neighbors import KDTree

    near = KDTree(places_um).query_radius(places_um, NEAR_UM)
    first = np.repeat(np.arange(len(near)), [len(others) for others in near])
    second = np.concatenate(near)
    return np.stack([first, second], axis=1)[first < second]
