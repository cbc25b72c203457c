"""A trained model for a population of other class shares than its calibration cells had, without those cells."""

import copy
from dataclasses import replace

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES
from phenostream.trainer.calibration.calibrate import recalibrate
from phenostream.trainer.checkpoint import EVIDENCE, Checkpoint

Shares = tuple[float, float, float]


def for_population(checkpoint: Checkpoint, prior: Shares) -> Checkpoint:
    """The same weights, calibrated again for cells of these class shares; the checkpoint itself is left as it is.

    The card says so. Its figures were measured before, on cells of other shares, and are left out; so is the population
    that it tells of, whose cells would get other classes now.

    Args:
        checkpoint: With what the model said of its calibration cells.
        prior: Shares of the classes, each 0.001 or more, 1 in all.

    Raises:
        BadInput: What the model said of its calibration cells was not kept.
    """
    if checkpoint.evidence is None:
        raise BadInput(
            f"the checkpoint has no {EVIDENCE}, what the model said of its calibration cells: no prior can be stated"
        )
    graph, card = copy.deepcopy(checkpoint.graph), checkpoint.card
    calibration = recalibrate(graph, checkpoint.evidence, card.calibration, prior)
    said = ", ".join(f"{name} {share:.1%}" for name, share in zip(CLASSES, prior, strict=True))
    description = (
        f"{card.description} Calibrated for a stated population ({said}); "
        "figures measured for other shares are left out."
    )
    changes = {
        "calibration": calibration,
        "description": description,
        "metrics": (),
        "training_population": None,
    }
    card = card.model_copy(update=changes)
    return replace(checkpoint, graph=graph, card=card, population=None)
