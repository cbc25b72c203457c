"""Mean dipoles of many cells with their uncertainty, from sums that can forget.

A cell's dipole is bounded, so that no single cell can carry the mean far. Knows sums; draws no conclusion.
"""

from dataclasses import dataclass

import numpy as np

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.dipoles import F64, CellDipoles
from phenostream.engine.types import CROP_PX


@dataclass(frozen=True, slots=True)
class MeanDipoles:
    """What many cells say together; shots in engine order.

    Attributes:
        cells: Cells behind the means (their effective number where old ones count less).
        vector: (4, 2) mean dipole, (y down, x right); zeros without cells.
        covariance: (4, 2, 2) of the mean.
        likeness: (4, 4) correlation of the shots' pixels in the cells, -1 to 1; 0 where a shot shows nothing.
        lit: (4,) share of the cells whose frame had light in that shot.
        portrait: (4, 28, 28) the mean cell, intensity / background - 1.
    """

    cells: float
    vector: F64
    covariance: F64
    likeness: F64
    lit: F64
    portrait: F64


class DipoleSums:
    """Accumulates cells; a cell's weight falls by `1 - 1/window` with each cell that comes after its frame."""

    def __init__(self, window_cells: float | None = None) -> None:
        """Start empty.

        Args:
            window_cells: Over how many cells the memory fades; None never forgets.
        """
        if window_cells is not None and not window_cells > 1:
            raise BadConfig(f"window_cells {window_cells}: need more than 1")
        self._kept_per_cell = 1.0 if window_cells is None else 1.0 - 1.0 / window_cells
        self._weight = self._weight_squares = 0.0
        self._vector = np.zeros((4, 2))
        self._square = np.zeros((4, 2, 2))
        self._products = np.zeros((4, 4))
        self._lit = np.zeros(4)
        self._portrait = np.zeros((4, CROP_PX, CROP_PX))

    def add(self, cells: CellDipoles) -> None:
        """Add the cells of one frame."""
        n, vectors = len(cells), cells.vectors.astype(np.float64)
        self._fade(self._kept_per_cell**n)
        self._weight += n
        self._weight_squares += n
        self._vector += vectors.sum(axis=0)
        self._square += np.einsum("nsi,nsj->sij", vectors, vectors)
        self._products += cells.products
        self._lit += n * cells.lit
        self._portrait += cells.portrait

    def mean(self) -> MeanDipoles:
        """The means of what was added."""
        weight = max(self._weight, np.finfo(float).tiny)
        cells = self._weight**2 / self._weight_squares if self._weight_squares else 0.0
        vector = self._vector / weight
        spread = self._square / weight - np.einsum("si,sj->sij", vector, vector)
        sizes = np.sqrt(np.diag(self._products))
        likeness = self._products / np.maximum(np.outer(sizes, sizes), np.finfo(float).tiny)
        return MeanDipoles(
            cells=cells,
            vector=vector,
            covariance=spread / max(cells - 1.0, 1.0),
            likeness=likeness,
            lit=self._lit / weight,
            portrait=self._portrait / weight,
        )

    def _fade(self, kept: float) -> None:
        self._weight *= kept
        self._weight_squares *= kept**2
        for total in (self._vector, self._square, self._products, self._lit, self._portrait):
            total *= kept
