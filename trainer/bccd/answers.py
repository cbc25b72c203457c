"""What a committee of stained cells answers: all members on what is new to them, else the one that has not seen it."""

from collections.abc import Callable
from typing import Final

import numpy as np

from phenostream.engine.types import CLASSES, F32, U8
from phenostream.trainer.bccd.recipe import views
from phenostream.trainer.calibration.probabilities import probabilities
from phenostream.trainer.classifier.checkpoint import PictureCheckpoint
from phenostream.trainer.classifier.committee import Committee
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.data.bccd.placing import NEW
from phenostream.trainer.training.precision import Asked, choose

CROSSED: Final = "each original by the member that has not seen it"
_AT_ONCE: Final = 128
OnStep = Callable[[str, int, int], None]
"""Is told what is being done, how many more are done, and how many there are in all."""


def answers(committee: Committee, pictures: Pictures, fold: U8, on_step: OnStep) -> F32:
    """Calibrated probabilities (N, 3): the mean of all members on new originals, else one member's.

    Args:
        committee: As many members as there are folds.
        pictures: N of them.
        fold: (N,) the member that has not seen the picture's original, from 0, or `NEW`: none has.
        on_step: For a progress bar.
    """
    members = committee.members
    asked = [np.flatnonzero((fold == NEW) | (fold == number)) for number in range(len(members))]
    total = sum(map(len, asked))
    summed = np.zeros((len(pictures), len(CLASSES)))
    for one, rows in zip(members, asked, strict=True):
        said = logits(one, pictures.select(rows), total, on_step)
        summed[rows] += probabilities(said, one.model.temperature, 0.0)
    return (summed / np.where(fold == NEW, len(members), 1)[:, None]).astype(np.float32)


def logits(member: PictureCheckpoint, pictures: Pictures, total: int, on_step: OnStep) -> F32:
    """(N, 3) of one member, the mean over all views."""
    asked: Asked = member.card.settings
    narrow = choose(asked).narrow
    said = np.zeros((len(pictures), len(CLASSES)), np.float32)
    for start in range(0, len(pictures), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(pictures)))
        said[rows] = member.model.predict(pictures.select(rows), views(), narrow).logits
        on_step("classify", len(rows), total)
    return said
