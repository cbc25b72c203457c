"""Which found cell is which true one: of one frame, by the distance of their centres.

White and red cells count. Debris is neutral: finding it or not costs nothing. A found cell belongs to the nearest true
cell within 4 µm, each to one only, closest pairs first.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.deploy.bench.truth import TruthFrame

F64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

MATCH_UM: Final = 4.0
NEUTRAL: Final = "debris"


@dataclass(frozen=True, slots=True)
class FrameMatch:
    """The cells of one frame, matched.

    Attributes:
        pairs: Index of a found cell, of its true cell, and their distance in full-resolution pixels.
        invented: Found cells that are neither a cell nor debris.
        debris_found: Pieces of debris with a found cell on them.
    """

    pairs: tuple[tuple[int, int, float], ...]
    invented: int
    debris_found: int


def match_frame(frame: TruthFrame, found_y_px: F64, found_x_px: F64, pixel_um: float) -> FrameMatch:
    """Match one frame.

    Args:
        frame: What was in it.
        found_y_px: (N,) full-resolution pixels; N may be 0.
        found_x_px: (N,) likewise.
        pixel_um: Of the camera at the sample.
    """
    reach = MATCH_UM / pixel_um
    y, x = np.array(frame.y_px), np.array(frame.x_px)
    debris = np.array([kind == NEUTRAL for kind in frame.kind], bool)
    counting, neutral = np.flatnonzero(~debris), np.flatnonzero(debris)
    distance = np.hypot(found_y_px[:, None] - y, found_x_px[:, None] - x)
    pairs = _nearest_pairs(distance[:, counting], reach)
    left = np.setdiff1d(np.arange(len(found_y_px)), [found for found, _, _ in pairs])
    on_debris = distance[np.ix_(left, neutral)] <= reach
    return FrameMatch(
        pairs=tuple((found, int(counting[true]), apart) for found, true, apart in pairs),
        invented=int((~on_debris.any(axis=1)).sum()),
        debris_found=int(on_debris.any(axis=0).sum()),
    )


def _nearest_pairs(distance: F64, reach: float) -> list[tuple[int, int, float]]:
    """(row, column, distance) of one-to-one pairs within reach, closest first."""
    rows, columns = np.nonzero(distance <= reach)
    order: Int = np.argsort(distance[rows, columns], kind="stable")
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column, float(distance[row, column])))
    return pairs
