"""Thresholds of the sets of classes: of each class, nine in ten cells keep it in their set, whatever the class shares.

Split-conformal, class by class ("Mondrian"): the threshold of a class is the k-th smallest probability that its own
calibration cells give it, k = floor((n + 1)(1 - coverage)). It is never above 1/3: a model that is right more often
than it promises would else answer a cell between two classes with no class at all. It then covers more than promised.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CLASSES, I32

F64 = npt.NDArray[np.float64]
LARGEST_THRESHOLD: Final = 1 / len(CLASSES)


def fit_class_thresholds(probability: F64, kind: I32, coverage: float) -> F64:
    """Thresholds (3,); 0, every cell is in, where a class has too few cells to exclude any.

    Args:
        probability: (N, 3), calibrated.
        kind: (N,) true class.
        coverage: To promise in each class.
    """
    thresholds = np.zeros(len(CLASSES))
    for label in range(len(CLASSES)):
        own = np.sort(probability[kind == label, label])
        place = math.floor((len(own) + 1) * (1 - coverage) + 1e-9)
        if place:
            thresholds[label] = min(own[place - 1], LARGEST_THRESHOLD)
    return thresholds
