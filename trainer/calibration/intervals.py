"""Marker intervals that cover what they promise, in every class, and are wide where the network expects to be wrong.

The half width of a cell is its expected spread times a factor mixed of one per class by the cell's probabilities. The
factors are a quantile regression of |residual| / spread on these probabilities, whose optimum is that, for each class,
the covered share of the cells is the promise when each cell counts by its probability of being of the class: conformal
prediction with conditional guarantees (Gibbs, Cherian and Candès, 2025). Where probabilities are 0 and 1 it is the
split-conformal quantile of each class, the ceil((n + 1) coverage)-th smallest. Decision 0025 says why not one factor of
the predicted class alone.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from phenostream.engine.errors import BadInput, EngineFault
from phenostream.engine.types import CLASSES, MARKERS
from phenostream.trainer.calibration.evidence import Evidence
from phenostream.trainer.network.graph import LARGEST_Z

F64 = npt.NDArray[np.float64]


def fit_interval_scale(evidence: Evidence, probability: F64, weight: F64, coverage: float) -> F64:
    """Factors (3, 4) by class and marker.

    Args:
        evidence: Of the calibration cells.
        probability: (N, 3), calibrated, as the graph will compute them.
        weight: (N,), how often the stated population has such a cell; 1 where none is stated.
        coverage: To promise.

    Raises:
        BadInput: Too few cells of a class have a marker.
    """
    score = evidence.residual_z / evidence.spread
    scale = np.empty((len(CLASSES), len(MARKERS)))
    for marker, name in enumerate(MARKERS):
        rows = evidence.marker_mask[:, marker]
        try:
            scale[:, marker] = quantile_per_class(
                score[rows, marker], probability[rows], weight[rows], coverage
            )
        except BadInput as err:
            raise BadInput(f"calibration: {name}: {err}") from err
    return scale


def quantile_per_class(score: F64, probability: F64, weight: F64, coverage: float) -> F64:
    """The factors (3,) whose mixture by probability has the share `coverage` of the scores below it, in each class.

    One cell more of each class, an average one, counts as missed whatever the factors: it stands for the new cell,
    whose score nobody knows, and is the finite-sample correction of split-conformal prediction. No factor is below a
    quarter of the quantile of all scores: a class which the cells hardly show is not promised a width of nothing.

    Args:
        score: (N,), 0 or more.
        probability: (N, 3).
        weight: (N,), above 0.
        coverage: Above 0, below 1.

    Raises:
        BadInput: Too few cells, each counted by its probability, are of a class: no width would cover so much of it.
    """
    mass, least = probability.sum(axis=0), coverage / (1 - coverage)
    for label, cells in zip(CLASSES, mass, strict=True):
        if cells < least - 1e-9:
            raise BadInput(
                f"{cells:.1f} cells of class {label}, need {least:.0f} to cover {coverage:.0%}"
            )
    one_more = weight @ (probability * (probability / mass).sum(axis=1, keepdims=True))
    floor = 0.25 * float(np.quantile(score, coverage))
    found = linprog(  # the dual: as few constraints as classes, and the factors are their prices
        floor - score,
        A_ub=probability.T,
        b_ub=-coverage * one_more,
        bounds=np.stack([(coverage - 1) * weight, coverage * weight], axis=1),
        method="highs",
    )
    if found.status != 0:
        raise EngineFault(f"calibration: no interval factors: {found.message}")
    factors: F64 = floor - found.ineqlin.marginals
    return factors


def half_widths(evidence: Evidence, probability: F64, scale: F64) -> F64:
    """Half widths (N, 4) in z, as the graph computes them."""
    widths: F64 = np.minimum((probability @ scale) * evidence.spread, LARGEST_Z)
    return widths
