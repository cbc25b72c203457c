"""Originals into folds, each of which some members of a committee do not see; never one original in two."""

from typing import Final

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, I32, U8
from phenostream.trainer.data.bccd.originals import strays
from phenostream.trainer.data.bccd.register import UNPLACED

_LEAST: Final = 2
"""Originals of a class: one to learn from when the other one is left out."""


def fold_originals(kind: I32, original: I32, folds: int, seed: int) -> U8:
    """(G,) fold of each original, class by class as many in each fold as in any other, or one more.

    Strays are unplaced: which of the others they are of, and so which fold, is not known.

    Args:
        kind: (N,) class of each picture.
        original: (N,) 0 to G - 1; its class is that of most of its pictures.
        folds: How many.
        seed: Of the draw.

    Raises:
        BadInput: A class has a single original, or none.
    """
    classes = class_of_originals(kind, original)
    rng = np.random.default_rng(seed)
    fold = np.full(len(classes), UNPLACED, np.uint8)
    placed = np.setdiff1d(np.arange(len(classes)), np.unique(original[strays(original)]))
    dealt = 0
    for index, name in enumerate(CLASSES):
        rows = rng.permutation(placed[classes[placed] == index])
        if len(rows) < _LEAST:
            raise BadInput(f"{name}: {len(rows)} originals; need {_LEAST} or more to leave one out")
        fold[rows] = (dealt + np.arange(len(rows))) % folds
        dealt += len(rows)  # the next class begins where this one ended, so that sums are even too
    return fold


def class_of_originals(kind: I32, original: I32) -> I32:
    """(G,) class of most pictures of each original; the first of several."""
    tally = np.zeros((int(original.max(initial=-1)) + 1, len(CLASSES)), np.int64)
    np.add.at(tally, (original, kind), 1)
    most: I32 = tally.argmax(axis=1).astype(np.int32)
    return most
