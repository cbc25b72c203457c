"""Labelled crops as columns, whatever they came from; saved as one array file with a content hash.

Knows crops, kinds, marker levels and their validity masks; does not know how they were made.
"""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, CROP_PX, F32, I32, MARKERS, Bool

KINDS: Final = (*CLASSES, "red", "debris", "empty")
"""What a crop can show; the first three are the classes, the others are to be rejected."""
WHITE: Final = len(CLASSES)
UNLABELLED: Final = -1
"""Kind of a cell whose class nobody knows: it teaches no class and no rejection, but may have marker targets."""
SIZE, MATURITY = 0, 1
"""Columns of `CellSet.truth`."""


@dataclass(frozen=True, slots=True)
class CellSet:
    """N labelled crops.

    Attributes:
        images: (N, 4, 28, 28) float32, fraction of full scale.
        background: (N, 4) float32.
        kind: (N,) int32, index in `KINDS`, or `UNLABELLED`.
        marker_log10: (N, 4) float32, targets in `MARKERS` order; 0 where masked out.
        marker_mask: (N, 4) bool, True where the target may be used.
        censored: (N, 4) bool, the target is at its column's floor: the true value is that or less.
        group: (N,) int32, the frame or field of view a crop came from: splits and intervals go by group.
        position: (N, 2) float32, y and x of the cell in its field, µm; NaN where unknown.
        truth: (N, 2) float32, what only a simulator knows of a white cell: the natural logarithm of the squared
            diameter (µm²), and a granulocyte's maturity (standard normal); NaN where unknown.
    """

    images: F32
    background: F32
    kind: I32
    marker_log10: F32
    marker_mask: Bool
    censored: Bool
    group: I32
    position: F32
    truth: F32

    def __post_init__(self) -> None:
        count = len(self.images)
        shapes = {
            "images": (count, 4, CROP_PX, CROP_PX),
            "background": (count, 4),
            "kind": (count,),
            "marker_log10": (count, len(MARKERS)),
            "marker_mask": (count, len(MARKERS)),
            "censored": (count, len(MARKERS)),
            "group": (count,),
            "position": (count, 2),
            "truth": (count, 2),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise BadInput(f"{name}: expected shape {shape}, found {getattr(self, name).shape}")

    @classmethod
    def with_labels(
        cls,
        images: F32,
        background: F32,
        kind: I32,
        marker_log10: F32,
        marker_mask: Bool,
        group: I32,
    ) -> "CellSet":
        """Cells of which nothing else is known: no target at its floor, place and truth unknown."""
        unknown = np.full((len(images), 2), np.nan, np.float32)
        uncensored = np.zeros((len(images), len(MARKERS)), np.bool_)
        return cls(
            images, background, kind, marker_log10, marker_mask, uncensored, group, unknown, unknown
        )

    def __len__(self) -> int:
        return len(self.images)

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

    def select(self, chosen: Bool | npt.NDArray[np.intp]) -> "CellSet":
        """The chosen rows."""
        return CellSet(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def sha256(self) -> str:
        """Hash of names, shapes, types and values."""
        digest = hashlib.sha256()
        for field in fields(self):
            column = np.ascontiguousarray(getattr(self, field.name))
            digest.update(f"{field.name} {column.dtype.str} {column.shape}".encode())
            digest.update(column.data)
        return digest.hexdigest()

    def counts(self) -> dict[str, int]:
        """Crops per kind."""
        return {name: int((self.kind == index).sum()) for index, name in enumerate(KINDS)}


def concatenate(parts: list[CellSet]) -> CellSet:
    """All rows of all parts; groups are renumbered so that no two parts share one."""
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(CellSet)
    }
    offset, groups = 0, []
    for part in parts:
        groups.append(part.group + offset)
        offset += int(part.group.max(initial=-1)) + 1
    columns["group"] = np.concatenate(groups).astype(np.int32)
    return CellSet(**columns)


def save_cells(cells: CellSet, path: Path) -> None:
    """Write one uncompressed array file; complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    columns: dict[str, Any] = {field.name: getattr(cells, field.name) for field in fields(cells)}
    np.savez(partial, sha256=np.array(cells.sha256()), **columns)
    partial.replace(path)


def load_cells(path: Path) -> CellSet:
    """Read a file of `save_cells`.

    Raises:
        BadInput: It cannot be read, or its content is not what its hash says.
    """
    try:
        size = path.stat().st_size  # nothing in it is compressed
        with path.open("rb") as file, ArrayArchive(file, size) as stored:
            cells = CellSet(*(stored.read(field.name) for field in fields(CellSet)))
            expected = str(stored.read("sha256"))
    except (OSError, BadInput) as err:
        raise BadInput(f"{path}: not a cell file ({err})") from err
    if cells.sha256() != expected:
        raise BadInput(
            f"{path}: expected content hash {expected[:16]}, found {cells.sha256()[:16]}"
        )
    return cells
