"""Labelled pictures of one size as columns: what a picture classifier learns from and is judged on.

Knows 8-bit planes, kinds and groups; not what the pictures are of, nor where they came from.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32, U8, Bool
from phenostream.trainer.data.cell_set import KINDS, UNLABELLED, WHITE


@dataclass(frozen=True, slots=True)
class Pictures:
    """N pictures of one size; N may be 0.

    Attributes:
        images: (N, C, S, S) uint8; C is 1, or 3 in the order red, green, blue.
        kind: (N,) int32, index in `KINDS`, or `UNLABELLED`.
        group: (N,) int32, what may not be torn apart: pictures of one cell or one field. Splits and intervals go by it.
        names: (N,) of each picture, for a person.
    """

    images: U8
    kind: I32
    group: I32
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.ndim != 4 or shape[1] not in (1, 3) or shape[2] != shape[3]:
            raise BadInput(f"images: expected shape (N, 1 or 3, S, S), found {shape}")
        if self.images.dtype != np.uint8:
            raise BadInput(f"images: expected uint8, found {self.images.dtype}")
        for name in ("kind", "group", "names"):
            if len(getattr(self, name)) != shape[0]:
                raise BadInput(f"{name}: {len(getattr(self, name))} for {shape[0]} pictures")
        odd = (self.kind < UNLABELLED) | (self.kind >= len(KINDS))
        if odd.any():
            raise BadInput(f"kind: {self.kind[odd][0]}, allowed {UNLABELLED} to {len(KINDS) - 1}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def planes(self) -> int:
        """1, or 3 for colour."""
        return int(self.images.shape[1])

    @property
    def side_px(self) -> int:
        """Rows, and columns, of each picture."""
        return int(self.images.shape[2])

    @property
    def white(self) -> Bool:
        """(N,) True for white cells, which have a class."""
        white: Bool = (self.kind >= 0) & (self.kind < WHITE)
        return white

    @property
    def foreign(self) -> Bool:
        """(N,) True for what is known to be no white cell."""
        foreign: Bool = self.kind >= WHITE
        return foreign

    def select(self, chosen: Bool | npt.NDArray[np.intp]) -> "Pictures":
        """The chosen rows."""
        rows = np.arange(len(self))[chosen]
        names = tuple(self.names[row] for row in rows)
        return Pictures(self.images[rows], self.kind[rows], self.group[rows], names)

    def counts(self) -> dict[str, int]:
        """Pictures per kind."""
        return {name: int((self.kind == index).sum()) for index, name in enumerate(KINDS)}

    def sha256(self) -> str:
        """Hash of pictures, kinds and groups in their order; names do not count."""
        digest = hashlib.sha256()
        for column in (self.images, self.kind, self.group):
            plain = np.ascontiguousarray(column)
            digest.update(f"{plain.dtype.str} {plain.shape}".encode())
            digest.update(plain.data)
        return digest.hexdigest()


def concatenate(parts: Sequence[Pictures]) -> Pictures:
    """All rows of all parts; groups are renumbered so that no two parts share one.

    Raises:
        BadInput: They are not of one size, or there are none.
    """
    if len({part.images.shape[1:] for part in parts}) != 1:
        raise BadInput(f"pictures of {len(parts)} parts: need one size and number of planes")
    groups, offset = [], 0
    for part in parts:
        groups.append(part.group + offset)
        offset += int(part.group.max(initial=-1)) + 1
    return Pictures(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate(groups).astype(np.int32),
        tuple(name for part in parts for name in part.names),
    )
