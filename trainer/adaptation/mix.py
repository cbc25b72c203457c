"""The shares of the classes among unlabelled cells, from a model's calibrated probabilities.

Expectation maximisation of the prior alone (Saerens, Latinne and Decaestecker, Neural Computation 2002): right where
cells of one class look alike in both populations and the probabilities are calibrated (Alexandari, Kundaje and
Shrikumar, ICML 2020). Where the model takes one class for another it is as wrong as the model. Pure arrays.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

PRIOR_CELLS: Final = 20.0
"""The prior counts as so many cells: probabilities that say next to nothing would else be believed to the last."""
_ROUNDS: Final = 1_000
_SETTLED: Final = 1e-6
LEAST_SHARE: Final = 1e-3
"""No class is taken to be rarer: a class that was never seen may still come."""


def estimated_shares(probability: F64, weight: F64, prior: Sequence[float]) -> F64:
    """The class shares (K,) under which these cells, and `PRIOR_CELLS` of the prior's, are likeliest.

    Args:
        probability: (N, K), which hold for cells of the shares `prior`.
        weight: (N,) how much each cell counts, such as its probability of being a white cell; some above 0.
        prior: (K,), each above 0.
    """
    own = np.asarray(prior, np.float64) / sum(prior)
    shares = own
    cells = weight.sum() + PRIOR_CELLS
    counted: F64 = weight / cells
    for _ in range(_ROUNDS):
        found = counted @ restated(probability, own, shares) + PRIOR_CELLS / cells * own
        if np.abs(found - shares).max() < _SETTLED:
            break
        shares = found
    kept: F64 = np.maximum(shares, LEAST_SHARE)
    kept /= kept.sum()
    return kept


def restated(probability: F64, prior: npt.ArrayLike, shares: npt.ArrayLike) -> F64:
    """Probabilities (N, K) for cells of other shares than `prior`, by Bayes' rule."""
    joint = probability * (np.asarray(shares, np.float64) / np.asarray(prior, np.float64))
    out: F64 = joint / joint.sum(axis=1, keepdims=True)
    return out
