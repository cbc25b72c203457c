"""Which original each picture of a data set is of, and which members of a committee have not learnt from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from phenostream.engine.types import I32, U8, Bool
from phenostream.trainer.data.bccd.landmarks import LandmarkFinder, Landmarks
from phenostream.trainer.data.bccd.originals import matches, original_of
from phenostream.trainer.data.bccd.register import UNKNOWN, UNPLACED, Register
from phenostream.trainer.data.bccd.smears import Smears

NEW: Final = 254
"""Fold of an original that the register does not know: no member has seen it."""
_TRIED: Final = 4
"""Pictures of an original that are held against the register."""
OnDone = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Placed:
    """Originals of N pictures.

    Attributes:
        original: (N,) int32; below the register's number of originals they are its own, above they are new.
        fold: (N,) uint8, fold of the original, which members of that fold have not seen; `NEW`: none has; or
            `UNPLACED`.
    """

    original: I32
    fold: U8

    @property
    def new(self) -> Bool:
        """(N,) True where no member has learnt from the original."""
        new: Bool = self.fold == NEW
        return new

    @property
    def crossed(self) -> Bool:
        """(N,) True where all members but those of one fold have learnt from the original."""
        crossed: Bool = ~self.new & (self.fold != UNPLACED)
        return crossed


def place(smears: Smears, register: Register, on_done: OnDone = lambda count: None) -> Placed:
    """Look files up, and match the others: among themselves, then with the register's originals.

    Args:
        smears: The pictures.
        register: Of the committee.
        on_done: Is told how many more pictures have been dealt with, N in all.
    """
    original = register.known(smears.sha256)
    others = np.flatnonzero(original == UNKNOWN)
    on_done(len(smears) - len(others))
    if len(others):
        finder = LandmarkFinder()
        landmarks = [finder.find(smears.images[row]) for row in others.tolist()]
        families = original_of(landmarks, on_done=on_done)
        known = _recognised(landmarks, families, register)
        original[others] = np.where(
            known[families] == UNKNOWN, len(register.fold) + families, known[families]
        )
    folds = np.append(register.fold, NEW).astype(np.uint8)
    return Placed(original, folds[np.minimum(original, len(register.fold))])


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
