"""The originals of one data set, known again by the hashes of its files; and examples by which others are recognised.

A committee travels with the register of the pictures that it was trained on. Pictures of the same files then need no
matching, and it is known of each which members have not seen its original; pictures of other files are matched to one
example of each original, which is landmarks and no picture. One array file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32, U8
from phenostream.trainer.data.bccd.landmarks import Landmarks
from phenostream.trainer.written_whole import opened_whole

UNPLACED: Final = 255
"""Fold of a stray: it may be of any other original, so nothing learns from it and it judges nothing."""
MOST_FOLDS: Final = 32
UNKNOWN: Final = -1
_LARGEST: Final = 64 << 20
_COLUMNS: Final = ("prefix", "original", "fold", "owner", "place", "descriptor")

U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Register:
    """G originals of N files.

    Attributes:
        prefix: (N,) uint64, first eight bytes of each file's SHA-256, ascending.
        original: (N,) int32, 0 to G - 1.
        fold: (G,) uint8, its fold, from 0: members of that fold have not seen it; or `UNPLACED`.
        owner: (P,) int32, original of each landmark, ascending.
        place: (P, 2) float32, of each landmark in a picture of 128 px.
        descriptor: (P, 128) uint8.
    """

    prefix: U64
    original: I32
    fold: U8
    owner: I32
    place: npt.NDArray[np.float32]
    descriptor: U8

    def __post_init__(self) -> None:
        count, points = self.fold.size, self.owner.size
        shapes = {
            "prefix": (self.prefix.size,),
            "original": (self.prefix.size,),
            "fold": (self.fold.size,),
            "owner": (points,),
            "place": (points, 2),
            "descriptor": (points, 128),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise BadInput(f"{name}: expected shape {shape}, found {getattr(self, name).shape}")
        for name in ("original", "owner"):
            numbers = getattr(self, name)
            if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
                raise BadInput(f"{name}: allowed 0 to {count - 1}")
        if (self.prefix[1:] < self.prefix[:-1]).any():
            raise BadInput("prefix: not ascending")
        placed = self.fold[self.fold != UNPLACED]
        if len(placed) and placed.max() >= MOST_FOLDS:
            raise BadInput(f"fold: {placed.max()}, allowed 0 to {MOST_FOLDS - 1}")

    @property
    def folds(self) -> int:
        """How many there are."""
        placed = self.fold[self.fold != UNPLACED]
        return int(placed.max()) + 1 if len(placed) else 0

    def known(self, sha256: Sequence[str]) -> I32:
        """(len(sha256),) original of each file, or `UNKNOWN`."""
        if not len(self.prefix):
            return np.full(len(sha256), UNKNOWN, np.int32)
        wanted = prefixes(sha256)
        place = np.minimum(np.searchsorted(self.prefix, wanted), len(self.prefix) - 1)
        return np.where(self.prefix[place] == wanted, self.original[place], UNKNOWN).astype(
            np.int32
        )

    def examples(self) -> list[Landmarks]:
        """(G,) landmarks by which each original is recognised; none of the unplaced, which may be of any other."""
        rows = [np.flatnonzero(self.owner == index) for index in range(len(self.fold))]
        return [Landmarks(self.place[row], self.descriptor[row]) for row in rows]


def make_register(
    sha256: Sequence[str], original: I32, fold: U8, landmarks: Sequence[Landmarks]
) -> Register:
    """Register these files; the example of an original is its picture with the most landmarks.

    Args:
        sha256: (N,) of each file.
        original: (N,) 0 to G - 1.
        fold: (G,) of each original.
        landmarks: (N,) of each picture.
    """
    points = np.array([len(one) for one in landmarks])
    owners, kept = [], []
    for index in range(len(fold)):
        rows = np.flatnonzero(original == index)
        best = landmarks[int(rows[points[rows].argmax()])]
        if fold[index] == UNPLACED:
            continue
        owners.append(np.full(len(best), index, np.int32))
        kept.append(best)
    prefix = prefixes(sha256)
    order = np.argsort(prefix, kind="stable")
    return Register(
        prefix[order],
        original[order].astype(np.int32),
        fold,
        np.concatenate(owners),
        np.concatenate([one.place for one in kept]),
        np.concatenate([one.descriptor for one in kept]),
    )


def prefixes(sha256: Sequence[str]) -> U64:
    """First eight bytes of each hash as a number."""
    return np.array([int(one[:16], 16) for one in sha256], np.uint64)


def save_register(register: Register, path: Path) -> None:
    """Write one compressed array file; places are rounded to float16, less than a tenth of a pixel.

    Raises:
        OSError: It cannot be written.
    """
    columns: dict[str, Any] = {name: getattr(register, name) for name in _COLUMNS}
    columns["place"] = columns["place"].astype(np.float16)
    with opened_whole(path) as file:
        np.savez_compressed(file, **columns)


def load_register(path: Path) -> Register:
    """Read a file of `save_register`.

    Raises:
        BadInput: It cannot be read, is damaged, or is something else.
    """
    try:
        with path.open("rb") as file, ArrayArchive(file, _LARGEST) as stored:
            columns = {name: stored.read(name) for name in _COLUMNS}
    except (OSError, BadInput) as err:
        raise BadInput(f"{path}: no register of originals ({err})") from err
    for name, kind in zip(_COLUMNS, "uiuifu", strict=True):
        if columns[name].dtype.kind != kind:
            raise BadInput(f"{path}: no register of originals ({name} is {columns[name].dtype})")
    try:
        return Register(
            columns["prefix"].astype(np.uint64),
            columns["original"].astype(np.int32),
            _narrow(columns["fold"]),
            columns["owner"].astype(np.int32),
            columns["place"].astype(np.float32),
            columns["descriptor"].astype(np.uint8),
        )
    except BadInput as err:
        raise BadInput(f"{path}: no register of originals ({err})") from err


def _narrow(fold: npt.NDArray[Any]) -> U8:
    if fold.size and int(fold.max()) > UNPLACED:
        raise BadInput(f"fold: {fold.max()}, allowed 0 to {UNPLACED}")
    return fold.astype(np.uint8)
