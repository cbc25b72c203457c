"""Class probabilities that mean what they say: a temperature, a bias per class, and the prior of a population.

The temperature divides the logits and mends over- and underconfidence; the bias brings the class shares that the
network learned (training sets are rebalanced) to those of the calibration cells. Both are fitted together by likelihood
("bias-corrected temperature scaling", Alexandari, Kundaje and Shrikumar, ICML 2020). Where a population with other
shares is stated, Bayes' rule adds log(stated share / calibration share) to the bias: right as long as cells of one
class look alike in both.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from phenostream.engine.types import CLASSES, F32, I32

F64 = npt.NDArray[np.float64]
_SHARPEST, _FLATTEST = 0.2, 5.0
"""Least and largest temperature."""
_BIAS_SD: Final = 1.0
"""Of the weak normal prior on a bias; it decides only where the cells do not, as when all are told apart."""


def fit_temperature_and_bias(logits: F32, kind: I32) -> tuple[float, F64]:
    """The temperature, 0.2 to 5, and the bias (3,), of mean 0, under which the true classes are likeliest.

    Args:
        logits: (N, 3).
        kind: (N,) true class.
    """
    wide = logits.astype(np.float64)
    wide -= wide.mean(axis=1, keepdims=True)
    truth = np.eye(len(CLASSES))[kind]

    def loss(parameters: F64) -> tuple[float, F64]:
        sharpness, bias = parameters[0], parameters[1:]
        log_p = _log_softmax(wide * sharpness + bias)
        gap = np.exp(log_p) - truth
        penalty = bias / _BIAS_SD**2
        gradient = np.concatenate([[(gap * wide).sum()], gap.sum(axis=0) + penalty])
        value = -(log_p * truth).sum() + 0.5 * bias @ penalty
        return float(value) / len(kind), gradient / len(kind)

    bounds = [(1 / _FLATTEST, 1 / _SHARPEST), *[(None, None)] * len(CLASSES)]
    start = np.array([1.0, *[0.0] * len(CLASSES)])
    options = {"ftol": 1e-12, "gtol": 1e-8, "maxiter": 500}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    bias: F64 = found.x[1:]
    return float(1 / found.x[0]), bias - bias.mean()


def class_shares(kind: I32) -> F64:
    """Share of each class (3,) among white cells."""
    counts = np.bincount(kind, minlength=len(CLASSES))
    shares: F64 = counts / counts.sum()
    return shares


def probabilities(logits: F32, temperature: float, bias: npt.ArrayLike) -> F64:
    """(N, 3) as the graph computes them, in float64."""
    p: F64 = np.exp(_log_softmax(logits.astype(np.float64) / temperature + np.asarray(bias)))
    return p


def _log_softmax(scaled: F64) -> F64:
    top = scaled.max(axis=1, keepdims=True)
    log_p: F64 = scaled - top - np.log(np.exp(scaled - top).sum(axis=1, keepdims=True))
    return log_p
