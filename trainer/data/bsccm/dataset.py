"""A BSCCM folder opened: its metadata, its tables joined cell by cell, and what their labels mean.

Knows how the tables fit together; reads no image.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput
from phenostream.engine.types import Bool
from phenostream.trainer.data.bsccm.labels import Kinds, at_floor, kinds_of, usable_markers
from phenostream.trainer.data.bsccm.layout import (
    IMAGES_FOLDER,
    INDEX_FILE,
    MARKERS_FILE,
    METADATA_FILE,
)
from phenostream.trainer.data.bsccm.metadata import Metadata, find_root, read_metadata
from phenostream.trainer.data.bsccm.tables import Index, no_markers, read_index, read_markers

F64 = npt.NDArray[np.float64]
SOURCES: Final = (METADATA_FILE, INDEX_FILE, MARKERS_FILE)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set; K cells of its marker table, in the table's order. K is 0 where there is no such table.

    Attributes:
        root: Its folder.
        metadata: What it says about itself.
        whole_index: Every cell of the index.
        cells: (K rows) the index of the cells in the marker table.
        gates: (K, 10) bool.
        kinds: What the gates mean.
        markers: (K, 4) float64, linear, NaN where absent.
        marker_mask: (K, 4) bool, target may be used.
        censored: (K, 4) bool, value at its column's floor.
        source_sha256: Hash of metadata, index and marker table, by file name.
    """

    root: Path
    metadata: Metadata
    whole_index: Index
    cells: Index
    gates: Bool
    kinds: Kinds
    markers: F64
    marker_mask: Bool
    censored: Bool
    source_sha256: dict[str, str]

    def __len__(self) -> int:
        return len(self.cells)


def open_dataset(folder: Path, markers_needed: bool = True) -> Dataset:
    """Open a BSCCM or BSCCMNIST folder, or the one data set in it.

    Args:
        folder: The data set's, or one level above it.
        markers_needed: The marker table has to be there; without it nothing can be packed.

    Raises:
        BadInput: A file or column is missing, or says what it cannot; the line names it.
    """
    root = find_root(folder)
    metadata = read_metadata(root)
    if not (root / IMAGES_FOLDER).is_dir():
        raise BadInput(f"{root / IMAGES_FOLDER}: is not there")
    index = read_index(root)
    there = markers_needed or (root / MARKERS_FILE).exists()
    table = read_markers(root, index) if there else no_markers()
    cells = index.take(table.row)
    return Dataset(
        root=root,
        metadata=metadata,
        whole_index=index,
        cells=cells,
        gates=table.gates,
        kinds=kinds_of(table.gates),
        markers=table.markers,
        marker_mask=usable_markers(table.markers, cells.condition),
        censored=at_floor(table.markers, cells.condition, cells.batch),
        source_sha256={name: _sha256(root / name) for name in SOURCES if (root / name).exists()},
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
