"""Originals into a slice to learn from, one to choose on and one to report on; never one original in two."""

from typing import Final

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, I32, U8
from phenostream.trainer.data.bccd.originals import strays
from phenostream.trainer.data.bccd.register import SLICES

HELD_OUT_SHARE: Final = 0.2
SELECTION_SHARE: Final = 0.15
_LEAST: Final = 3
"""Originals of a class: one for each slice."""


def slice_originals(kind: I32, original: I32, seed: int) -> U8:
    """(G,) index in `SLICES` of each original, class by class in the same shares, at least one of each everywhere.

    Strays are unplaced: which of the others they are of, and so which slice, is not known.

    Args:
        kind: (N,) class of each picture.
        original: (N,) 0 to G - 1; its class is that of most of its pictures.
        seed: Of the draw.

    Raises:
        BadInput: A class has fewer than three originals.
    """
    classes = class_of_originals(kind, original)
    rng = np.random.default_rng(seed)
    slices = np.full(len(classes), SLICES.index("training"), np.uint8)
    unplaced = np.unique(original[strays(original)])
    slices[unplaced] = SLICES.index("unplaced")
    placed = np.setdiff1d(np.arange(len(classes)), unplaced)
    for index, name in enumerate(CLASSES):
        rows = rng.permutation(placed[classes[placed] == index])
        if len(rows) < _LEAST:
            raise BadInput(f"{name}: {len(rows)} originals; need {_LEAST} or more to hold some out")
        held_out = max(1, round(HELD_OUT_SHARE * len(rows)))
        selection = max(1, round(SELECTION_SHARE * len(rows)))
        slices[rows[:held_out]] = SLICES.index("held-out")
        slices[rows[held_out : held_out + selection]] = SLICES.index("selection")
    return slices


def class_of_originals(kind: I32, original: I32) -> I32:
    """(G,) class of most pictures of each original; the first of several."""
    tally = np.zeros((int(original.max(initial=-1)) + 1, len(CLASSES)), np.int64)
    np.add.at(tally, (original, kind), 1)
    most: I32 = tally.argmax(axis=1).astype(np.int32)
    return most
