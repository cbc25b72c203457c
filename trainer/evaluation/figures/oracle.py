"""The best that the simulator's true size and maturity allow inside a class: the ceiling for a within-class r.

Least squares of the log10 target on what `CellSet.truth` knows, fitted on training cells of the class. It is a property
of the simulator's coupling constants (SPEC f.4) and says nothing of biology.
"""

from typing import Final

import numpy as np

from phenostream.engine.types import F32
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.figures.bootstrap import F64

LEAST_CELLS: Final = 30


def oracle_levels(train: CellSet, truth: F32, marker: int, kind: int) -> F64 | None:
    """Levels (N,) in the marker's unit for test cells of one class.

    Args:
        train: To fit on.
        truth: (N, 2), that of the test cells.
        marker: Column.
        kind: The class.

    Returns:
        None where the truth of either is unknown, or there are fewer than `LEAST_CELLS` to fit on.
    """
    own = np.flatnonzero((train.kind == kind) & train.marker_mask[:, marker])
    learnt = train.truth[own]
    known = np.isfinite(learnt).all(axis=0) & np.isfinite(truth).all(axis=0)
    if len(own) < LEAST_CELLS or not known.any():
        return None
    target = train.marker_log10[own, marker].astype(np.float64)
    weights, *_ = np.linalg.lstsq(_design(learnt[:, known]), target, rcond=None)
    levels: F64 = 10 ** (_design(truth[:, known]) @ weights)
    return levels


def _design(truth: F32) -> F64:
    return np.column_stack([np.ones(len(truth)), truth.astype(np.float64)])
