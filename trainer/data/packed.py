"""BSCCM cells as columns, ready to train on: images, gates, marker levels, masks, and where each cell lay.

One uncompressed array file with a content hash; the split of the cells and the scale of the markers are the reader's
choice. Knows nothing of zarr and CSV files.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CROP_PX, F32, I32, MARKERS, U8, Bool
from phenostream.trainer.data.array_file import read_arrays, write_arrays
from phenostream.trainer.data.bsccm.layout import DARK_COUNTS, GATES, MOST_COUNTS, Variant

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_STEP: Final = 16
"""12-bit counts in one 8-bit count of BSCCMNIST."""


class Survey(BaseModel):
    """What can be counted in a data set's tables without reading an image.

    Attributes:
        source: The data set's own name, from its metadata.
        variant: Layout it is in.
        synthetic: The cells were simulated: nothing about them is evidence about blood.
        source_sha256: Hash of metadata, index and marker table, by file name.
        pixel_size_um: Camera pixel at the sample, before any reduction to 28 pixels.
        pixel_size_stated: False where the metadata did not say and 0.2 µm was taken.
        objective_na: Numerical aperture, where stated.
        wavelength_nm: Of the light, where stated.
        cells_in_index: Rows of the index.
        cells_in_table: Rows of the marker table, which are all that can be packed.
        in_index: Rows of the index by "antibodies, batch".
        listings: Entries in the gate lists by group (`layout.GROUPS`): a cell in two gates counts twice.
        labelled: Cells of that kind and no conflict, each counted once.
        in_several_gates: Cells in more than one gate.
        conflicts: Cells in gates of two different kinds (three classes and red cells); they have no kind.
        class_and_unknown: Cells in a class gate and in a gate of unknown cells; they keep their class.
        slides: Different slides (data path and replicate) in the index.
        fields: Different fields of view in the index.
        field_pitch_um: Median distance from a field to the nearest one of its slide; None for single fields.
        in_field_px: Smallest and largest position of a cell in its field, either axis, camera pixels.
        near_in_field: Pairs of gated cells of one field less than 3 µm apart.
        near_across_fields: The same across fields of one slide, by the signs (y, x) of a position in a field against
            the stage; only one of the four can be true.
        usable: Targets that may be used (antibody in the tube, value finite), by marker.
        missing: Targets that should be there and are not finite, by marker.
        at_floor: Share of the usable targets at their column's floor, by marker.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    variant: Variant
    synthetic: bool
    source_sha256: dict[str, str]
    pixel_size_um: float
    pixel_size_stated: bool
    objective_na: float | None
    wavelength_nm: float | None
    cells_in_index: int
    cells_in_table: int
    in_index: dict[str, int]
    listings: dict[str, int]
    labelled: dict[str, int]
    in_several_gates: int
    conflicts: int
    class_and_unknown: int
    slides: int
    fields: int
    field_pitch_um: float | None
    in_field_px: tuple[float, float]
    near_in_field: int
    near_across_fields: dict[str, int]
    usable: dict[str, int]
    missing: dict[str, int]
    at_floor: dict[str, float]


class PackFacts(Survey):
    """The survey of the whole data set, and what was packed of it: all a report has to say about the data.

    Attributes:
        plan: Digest of the sources and of the choice of cells: two packs of one plan hold the same cells.
        packed: Cells by "antibodies, batch".
        same_images: Packed cells whose image is another packed cell's to the last bit.
    """

    format_version: Literal[1] = 1
    plan: str
    packed: dict[str, int]
    same_images: int


@dataclass(frozen=True, slots=True)
class PackedCells:
    """N cells, none twice, in the order of the surface-marker table.

    Attributes:
        images: (N, 4, 28, 28) uint8, shots in `SHOTS` order, as BSCCMNIST stores them.
        global_index: (N,) int64, the data set's number of the cell.
        gates: (N, 10) bool, order `layout.GATES`.
        kind: (N,) int32, 0 to 2 a class, 3 a red cell; -1 for unknown, ungated and conflicting cells.
        conflict: (N,) bool, the cell is in gates of two different kinds.
        markers: (N, 4) float64, linear, arbitrary units, order `MARKERS`; NaN where absent.
        marker_mask: (N, 4) bool, True where the antibody was in the tube and the value is finite.
        censored: (N, 4) bool, the value is at the floor of its column in its condition and batch.
        condition: (N,) int32, index in `layout.ANTIBODIES`.
        batch: (N,) int32, 0 or 1.
        slide: (N,) int32, one number for each data path and replicate.
        field: (N,) int32, one number for each field of view; no two slides share one.
        field_um: (N, 2) float64, y and x of the field's centre on the stage, µm.
        in_field_px: (N, 2) float32, y and x of the cell in its field, camera pixels.
        facts: What was counted on the way.
    """

    images: U8
    global_index: I64
    gates: Bool
    kind: I32
    conflict: Bool
    markers: F64
    marker_mask: Bool
    censored: Bool
    condition: I32
    batch: I32
    slide: I32
    field: I32
    field_um: F64
    in_field_px: F32
    facts: PackFacts

    def __post_init__(self) -> None:
        count = len(self.images)
        for name, (dtype, rest) in _COLUMNS.items():
            column = getattr(self, name)
            if column.shape != (count, *rest) or column.dtype != dtype:
                raise BadInput(
                    f"{name}: expected {dtype} {(count, *rest)}, found {column.dtype} {column.shape}"
                )
        if len(np.unique(self.global_index)) != count:
            raise BadInput("global_index: a cell is there twice")

    def __len__(self) -> int:
        return len(self.images)

    def sha256(self) -> str:
        """Hash of every column and of the facts."""
        digest = hashlib.sha256(self.facts.model_dump_json().encode())
        for name in _COLUMNS:
            column = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {column.dtype.str} {column.shape}".encode())
            digest.update(column.data)
        return digest.hexdigest()


_COLUMNS: Final[Mapping[str, tuple[type[np.generic], tuple[int, ...]]]] = {
    "images": (np.uint8, (4, CROP_PX, CROP_PX)),
    "global_index": (np.int64, ()),
    "gates": (np.bool_, (len(GATES),)),
    "kind": (np.int32, ()),
    "conflict": (np.bool_, ()),
    "markers": (np.float64, (len(MARKERS),)),
    "marker_mask": (np.bool_, (len(MARKERS),)),
    "censored": (np.bool_, (len(MARKERS),)),
    "condition": (np.int32, ()),
    "batch": (np.int32, ()),
    "slide": (np.int32, ()),
    "field": (np.int32, ()),
    "field_um": (np.float64, (2,)),
    "in_field_px": (np.float32, (2,)),
}


def fraction_of_full_scale(images: U8) -> F32:
    """Images as the daemon would see these cells: (count - dark) / (white - dark) of the 12-bit camera.

    An 8-bit count is sixteen 12-bit counts cut off, so its middle is meant; the offset of the camera is 30 counts.

    Args:
        images: (..., H, W) uint8, as BSCCMNIST stores them.

    Returns:
        Float32 of the same shape; slightly negative below the camera's offset.
    """
    dark, white = np.float32(DARK_COUNTS), np.float32(MOST_COUNTS["BSCCM"])
    counts = (images.astype(np.float32) + np.float32(0.5)) * np.float32(_STEP)
    result: F32 = (counts - dark) / (white - dark)
    return result


def save_packed(cells: PackedCells, path: Path) -> None:
    """Write one uncompressed array file; complete or not at all.

    Raises:
        OSError: The folder cannot be written, or the disk is full; nothing is left there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: getattr(cells, name) for name in _COLUMNS}
    facts = np.frombuffer(cells.facts.model_dump_json().encode(), np.uint8)
    write_arrays(path, {"sha256": np.array(cells.sha256()), "facts": facts, **columns})


def load_packed(path: Path) -> PackedCells:
    """Read a file of `save_packed`.

    Raises:
        BadInput: It cannot be read, is of another version, or its content is not what its hash says.
    """
    try:
        stored: dict[str, Any] = read_arrays(path, (*_COLUMNS, "facts", "sha256"))
        facts = PackFacts.model_validate_json(stored.pop("facts").tobytes())
        expected = str(stored.pop("sha256"))
        cells = PackedCells(**stored, facts=facts)
    except ValidationError as err:
        key = ".".join(str(part) for part in err.errors()[0]["loc"])
        raise BadInput(f"{path}: not a file of packed cells (facts: {key})") from err
    except BadInput as err:
        raise BadInput(f"{path}: not a file of packed cells ({err})") from err
    if cells.sha256() != expected:
        raise BadInput(
            f"{path}: expected content hash {expected[:16]}, found {cells.sha256()[:16]}"
        )
    return cells
