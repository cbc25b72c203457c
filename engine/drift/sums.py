"""What frames add up to, quantity by quantity, in a fixed amount of memory; two of them merge without loss.

Of each quantity x / n (`quantities`) the sums over frames of x, n, x x, x n and n n. A ratio and its spread between
frames follow from these alone (`engine.summary.spread`), whatever cells of one frame have in common.
"""

from typing import Final, Self

import numpy as np
import numpy.typing as npt

from phenostream.engine.summary.spread import Estimate, ratio_over_frames

F64 = npt.NDArray[np.float64]
COLUMNS: Final = 5


class Sums:
    """Over some frames.

    Attributes:
        frames: How many.
        table: (Q, 5) float64: x, n, x x, x n, n n.
    """

    def __init__(self, rows: int) -> None:
        """Of no frame yet."""
        self.frames = 0
        self.table: F64 = np.zeros((rows, COLUMNS))

    def add(self, x: F64, n: F64) -> None:
        """One frame: (Q,) numerators and denominators; a quantity that the frame does not tell has n = 0."""
        self.frames += 1
        self.table += np.stack([x, n, x * x, x * n, n * n], axis=1)

    def merge(self, other: Self) -> None:
        """Add those of other frames."""
        self.frames += other.frames
        self.table += other.table

    def weight(self, row: int) -> float:
        """The n of a quantity: cells, or frames of a brightness."""
        return float(self.table[row, 1])

    def estimate(self, row: int) -> Estimate | None:
        """A quantity with its variance; None of frames worth fewer than three even ones."""
        part, whole, *squares = self.table[row].tolist()
        return ratio_over_frames(part, whole, np.array(squares))


def is_possible(table: F64) -> bool:
    """Whether sums are finite and no square or denominator is negative."""
    return bool(np.isfinite(table).all() and (table[:, [1, 2, 4]] >= 0).all())
