"""What a daemon would do with a model's outputs: the class it calls, whether it rejects, flags, and which set it gives.

The rules are those of `engine.postprocess`; a test holds the two together.
"""

from dataclasses import dataclass

import numpy as np

from phenostream.engine.class_sets import class_members
from phenostream.engine.manifest import Calibration
from phenostream.engine.types import I32, Bool, Outputs


@dataclass(frozen=True, slots=True)
class Served:
    """Decisions about N cells.

    Attributes:
        called: (N,) int32, the class; rejected cells too.
        rejected: (N,) bool; None of a model without a reject head.
        flagged: (N,) bool, out of distribution; None of a model without a score.
        members: (N, 3) bool, which classes are in the cell's set; rejected cells too. None of a model without sets.
    """

    called: I32
    rejected: Bool | None
    flagged: Bool | None
    members: Bool | None


def serve(outputs: Outputs, calibration: Calibration) -> Served:
    """The decisions on outputs of N cells."""
    reject, ood = calibration.reject_threshold, calibration.ood_threshold
    sets, probability = calibration.class_sets, outputs.class_probability
    return Served(
        called=probability.argmax(axis=1).astype(np.int32),
        rejected=None if reject is None else outputs.reject_probability >= np.float32(reject),
        flagged=None if ood is None else outputs.ood_score > np.float32(ood),
        members=None if sets is None else class_members(probability, sets.threshold),
    )
