"""Which original each picture of a data set is of, and whether a model has learnt from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from phenostream.engine.types import I32, U8, Bool
from phenostream.trainer.data.bccd.landmarks import LandmarkFinder, Landmarks
from phenostream.trainer.data.bccd.originals import matches, original_of
from phenostream.trainer.data.bccd.register import HELD_OUT, SLICES, UNKNOWN, Register
from phenostream.trainer.data.bccd.smears import Smears

NEW: Final = len(SLICES)
"""Slice of an original that the register does not know."""
_TRIED: Final = 4
"""Pictures of an original that are held against the register."""
OnDone = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Placed:
    """Originals of N pictures.

    Attributes:
        original: (N,) int32; below the register's number of originals they are its own, above they are new.
        slice: (N,) uint8, index in `register.SLICES`, or `NEW`.
        by_hash: (N,) True where the file itself is in the register.
    """

    original: I32
    slice: U8
    by_hash: Bool

    @property
    def unseen(self) -> Bool:
        """(N,) True where the model has neither learnt from the original nor been chosen on it."""
        unseen: Bool = (self.slice == NEW) | (self.slice == HELD_OUT)
        return unseen


def place(smears: Smears, register: Register, on_done: OnDone = lambda count: None) -> Placed:
    """Look files up, and match the others: among themselves, then with the register's originals.

    Args:
        smears: The pictures.
        register: Of the model.
        on_done: Is told how many more pictures have been dealt with, N in all.
    """
    original = register.known(smears.sha256)
    by_hash = original != UNKNOWN
    others = np.flatnonzero(~by_hash)
    on_done(len(smears) - len(others))
    if len(others):
        finder = LandmarkFinder()
        landmarks = [finder.find(smears.images[row]) for row in others.tolist()]
        families = original_of(landmarks, on_done=on_done)
        known = _recognised(landmarks, families, register)
        original[others] = np.where(
            known[families] == UNKNOWN, len(register.slice) + families, known[families]
        )
    slices = np.append(register.slice, NEW).astype(np.uint8)
    return Placed(original, slices[np.minimum(original, len(register.slice))], by_hash)


def _recognised(landmarks: list[Landmarks], families: I32, register: Register) -> I32:
    """For each family the register's original that one of its pictures shows, or `UNKNOWN`."""
    points = np.array([len(one) for one in landmarks])
    asking = np.concatenate(
        [
            rows[np.argsort(-points[rows], kind="stable")[:_TRIED]]
            for rows in (np.flatnonzero(families == index) for index in range(families.max() + 1))
        ]
    )
    both = [*landmarks, *register.examples()]
    examples = np.arange(len(landmarks), len(both))
    best = np.zeros(families.max() + 1, np.int64)
    known = np.full(families.max() + 1, UNKNOWN, np.int32)
    for match in matches(both, asking, examples):
        family = families[match.one]
        if match.agreeing > best[family]:
            best[family], known[family] = match.agreeing, match.other - len(landmarks)
    return known
