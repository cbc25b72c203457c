"""What a committee of stained cells answers: all members on what is new to them, else those that have not seen it."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from phenostream.engine.types import CLASSES, F32, U8
from phenostream.trainer.bccd.recipe import views
from phenostream.trainer.calibration.probabilities import probabilities
from phenostream.trainer.classifier.checkpoint import PictureCheckpoint
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.data.bccd.placing import NEW
from phenostream.trainer.training.precision import Asked, choose

CROSSED: Final = "each original by the members that have not seen it"
_AT_ONCE: Final = 128
OnStep = Callable[[str, int, int], None]
"""Is told what is being done, how many more are done, and how many there are in all."""


def answers(
    members: Sequence[PictureCheckpoint],
    pictures: Pictures,
    fold: U8,
    folds: int,
    on_step: OnStep,
) -> F32:
    """Calibrated probabilities (N, 3): the mean of all members on new originals, else of those that have not seen it.

    Args:
        members: By kind of network, and within it by the fold that they have not seen.
        pictures: N of them.
        fold: (N,) fold of the picture's original, from 0, or `NEW`: no member has seen it.
        folds: How many there are.
        on_step: For a progress bar.
    """
    asked = [
        np.flatnonzero((fold == NEW) | (fold == number % folds)) for number in range(len(members))
    ]
    total = sum(map(len, asked))
    summed, opinions = np.zeros((len(pictures), len(CLASSES))), np.zeros((len(pictures), 1))
    for one, rows in zip(members, asked, strict=True):
        said = logits(one, pictures.select(rows), "classify", total, on_step)
        summed[rows] += probabilities(said, one.model.temperature, 0.0)
        opinions[rows] += 1
    return (summed / opinions).astype(np.float32)


def logits(
    member: PictureCheckpoint, pictures: Pictures, what: str, total: int, on_step: OnStep
) -> F32:
    """(N, 3) of one member, the mean over all views; `what` and `total` are for the progress bar."""
    asked: Asked = member.card.settings
    narrow = choose(asked).narrow
    said = np.zeros((len(pictures), len(CLASSES)), np.float32)
    for start in range(0, len(pictures), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(pictures)))
        said[rows] = member.model.predict(pictures.select(rows), views(), narrow).logits
        on_step(what, len(rows), total)
    return said
