"""The best that the simulator's true size and maturity allow inside a class: the ceiling for a within-class r.

Least squares of the log10 target on what `CellSet.truth` knows, fitted on training cells of the class. It is a property
of the simulator's coupling constants (SPEC f.4) and says nothing of biology.
"""

from typing import Final

import numpy as np

from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.bootstrap import F64

LEAST_CELLS: Final = 30


def oracle_levels(train: CellSet, test: CellSet, marker: int, kind: int) -> F64 | None:
    """Levels (N,) in the marker's unit for test cells of one class.

    Args:
        train: To fit on.
        test: Cells of that class only.
        marker: Column.
        kind: The class.

    Returns:
        None where the truth of either is unknown, or there are fewer than `LEAST_CELLS` to fit on.
    """
    own = train.select((train.kind == kind) & train.marker_mask[:, marker])
    known = [
        column
        for column in range(own.truth.shape[1])
        if len(own) and _known(own, column) and _known(test, column)
    ]
    if len(own) < LEAST_CELLS or not known:
        return None
    weights, *_ = np.linalg.lstsq(
        _design(own, known), own.marker_log10[:, marker].astype(np.float64), rcond=None
    )
    levels: F64 = 10 ** (_design(test, known) @ weights)
    return levels


def _known(cells: CellSet, column: int) -> bool:
    return bool(np.isfinite(cells.truth[:, column]).all())


def _design(cells: CellSet, columns: list[int]) -> F64:
    return np.column_stack(
        [np.ones(len(cells)), *(cells.truth[:, column].astype(np.float64) for column in columns)]
    )
