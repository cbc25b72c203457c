"""What the marker head of simulated cells is taught: the level to be expected of a cell, not the one measured in it.

A simulator knows what couples levels to shape, so that it can leave out of a target what no image shows (biological
spread, minor subsets, measurement noise). The mean given the image is the same, and is found from far fewer cells. Only
training cells are treated so: selection, calibration and tests have measured levels. No real data set offers this.
"""

from dataclasses import replace

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.optics.proteins import expected_markers
from phenostream.engine.types import CLASSES
from phenostream.trainer.data.cell_set import MATURITY, SIZE, CellSet


def with_expected_levels(cells: CellSet) -> CellSet:
    """The same cells, the targets of the white ones being what `proteins.expected_markers` gives for their truth.

    Raises:
        BadInput: The truth of a white cell is not known.
    """
    levels = cells.marker_log10.copy()
    for index, kind in enumerate(CLASSES):
        rows = np.flatnonzero(cells.kind == index)
        truth = cells.truth[rows].astype(np.float64)
        unknown = np.isnan(truth[:, SIZE])
        if kind == "granulocyte":
            unknown |= np.isnan(truth[:, MATURITY])
        if unknown.any():
            raise BadInput(
                f"expected levels: the truth of {int(unknown.sum())} {kind}s is unknown; only simulated cells have it"
            )
        levels[rows] = expected_markers(kind, truth[:, SIZE], truth[:, MATURITY])
    return replace(cells, marker_log10=np.where(cells.marker_mask, levels, 0).astype(np.float32))
