"""The two CSV tables of a BSCCM folder as columns, always by a column's name.

Knows which columns are needed and what may stand in them; does not know images, nor what a gate means.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32, Bool
from phenostream.trainer.data.bsccm.layout import (
    ANTIBODIES,
    GATE_PREFIX,
    GATES,
    INDEX_FILE,
    MARKER_COLUMNS,
    MARKERS_FILE,
)

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_INDEX_TYPES: Final = {
    "global_index": "int64",
    "position_in_fov_y_pix": "double",
    "position_in_fov_x_pix": "double",
    "fov_center_y": "double",
    "fov_center_x": "double",
    "batch": "double",
    "slide_replicate": "double",
    "antibodies": "string",
    "data_path": "string",
}
_LONGEST_HEADER: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Index:
    """Every cell of the data set, M rows in the file's order.

    Attributes:
        global_index: (M,) int64, no number twice.
        data_path: (M,) text, folder of the cell's arrays within the image store.
        in_field_px: (M, 2) y and x of the cell in its field, camera pixels.
        field_um: (M, 2) y and x of the field's centre on the stage, µm.
        condition: (M,) int32, index in `ANTIBODIES`.
        batch: (M,) int32, 0 or 1.
        slide: (M,) int32, one number for each data path and replicate.
        field: (M,) int32, one number for each data path and field centre.
    """

    global_index: I64
    data_path: npt.NDArray[np.str_]
    in_field_px: F64
    field_um: F64
    condition: I32
    batch: I32
    slide: I32
    field: I32

    def __len__(self) -> int:
        return len(self.global_index)

    def take(self, rows: I64) -> "Index":
        """The chosen rows, in that order."""
        return Index(*(getattr(self, column.name)[rows] for column in fields(self)))


@dataclass(frozen=True, slots=True)
class MarkerTable:
    """Gates and marker levels, K rows in the file's order.

    Attributes:
        row: (K,) int64, row of the same cell in the `Index`.
        gates: (K, 10) bool, order `GATES`.
        markers: (K, 4) float64, linear; NaN where the table has none.
    """

    row: I64
    gates: Bool
    markers: F64

    def __len__(self) -> int:
        return len(self.row)


def read_index(root: Path) -> Index:
    """Read the index.

    Raises:
        BadInput: The file or a column is missing, or a value is not allowed.
    """
    path = root / INDEX_FILE
    columns = _read_columns(path, _INDEX_TYPES)
    numbers = columns["global_index"]
    _once(numbers, path)
    paths, antibodies = columns["data_path"], columns["antibodies"]
    for value in np.unique(paths):
        if value.startswith("/") or ".." in value.split("/") or not value:
            raise BadInput(f"{path}: data_path: {value[:60]!r} is no folder within the image store")
    batch = _whole(columns["batch"], "batch", path, most=1)
    replicate = _whole(columns["slide_replicate"], "slide_replicate", path, most=1 << 20)
    field_um = np.stack([columns["fov_center_y"], columns["fov_center_x"]], axis=1)
    in_field = np.stack(
        [columns["position_in_fov_y_pix"], columns["position_in_fov_x_pix"]], axis=1
    )
    for name, place in (("fov_center", field_um), ("position_in_fov", in_field)):
        if not np.isfinite(place).all():
            raise BadInput(f"{path}: {name}: {_bad(~np.isfinite(place))} without a number")
    folder = np.unique(paths, return_inverse=True)[1].reshape(-1)
    return Index(
        global_index=numbers,
        data_path=paths,
        in_field_px=in_field,
        field_um=field_um,
        condition=_conditions(antibodies, path),
        batch=batch,
        slide=_numbered(np.stack([folder, replicate], axis=1)),
        field=_numbered(np.column_stack([folder, field_um])),
    )


def read_markers(root: Path, index: Index) -> MarkerTable:
    """Read gates and marker levels of the cells in an index.

    Raises:
        BadInput: The file or a column is missing, or a row is of no cell in the index.
    """
    path = root / MARKERS_FILE
    types: dict[str, str] = {"global_index": "int64"}
    types |= dict.fromkeys((gate.column for gate in GATES), "bool")
    types |= dict.fromkeys(MARKER_COLUMNS, "double")
    columns = _read_columns(path, types)
    _once(columns["global_index"], path)
    order = np.argsort(index.global_index)
    place = np.searchsorted(index.global_index, columns["global_index"], sorter=order)
    row = order[np.minimum(place, len(order) - 1)]
    strange = index.global_index[row] != columns["global_index"]
    if strange.any():
        number = columns["global_index"][strange][0]
        raise BadInput(f"{path}: global_index {number} is not in {INDEX_FILE}")
    return MarkerTable(
        row=row,
        gates=np.stack([columns[gate.column] for gate in GATES], axis=1),
        markers=np.stack([columns[name] for name in MARKER_COLUMNS], axis=1),
    )


def no_markers() -> MarkerTable:
    """The table of a data set that has none."""
    nothing = np.zeros((0, len(MARKER_COLUMNS)))
    return MarkerTable(np.zeros(0, np.int64), np.zeros((0, len(GATES)), np.bool_), nothing)


def _read_columns(path: Path, types: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    """The named columns as numpy arrays: floats with NaN for nothing, texts as `str`."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    _check_header(path, types)
    options = arrow_csv.ConvertOptions(
        include_columns=list(types),
        column_types={name: pa.type_for_alias(kind) for name, kind in types.items()},
    )
    try:
        table = arrow_csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError, KeyError) as err:
        raise BadInput(f"{path}: cannot be read ({' '.join(str(err).split())[:120]})") from err
    if not table.num_rows:
        raise BadInput(f"{path}: no rows")
    return {name: _as_numpy(table, name, kind, path) for name, kind in types.items()}


def _as_numpy(table: Any, name: str, kind: str, path: Path) -> npt.NDArray[Any]:
    column = table.column(name)
    if kind != "double" and column.null_count:
        raise BadInput(f"{path}: {name}: {column.null_count} rows without a value")
    array: npt.NDArray[Any] = column.to_numpy()
    return array.astype(np.str_) if kind == "string" else array


def _check_header(path: Path, types: Mapping[str, str]) -> None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader([file.readline(_LONGEST_HEADER)]), [])
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        reason = "is not there" if isinstance(err, FileNotFoundError) else f"cannot be read ({err})"
        raise BadInput(f"{path}: {reason}") from err
    for name in types:
        if names.count(name) != 1:
            found = "is not there" if name not in names else "is there twice"
            raise BadInput(f"{path}: column {name} {found}")
    known = {gate.column for gate in GATES}
    unknown = [name for name in names if name.startswith(GATE_PREFIX) and name not in known]
    if unknown:
        raise BadInput(f"{path}: column {unknown[0]} is no gate of BSCCM")


def _once(numbers: I64, path: Path) -> None:
    ordered = np.sort(numbers)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise BadInput(f"{path}: global_index {twice[0]} is there twice")


def _whole(values: F64, name: str, path: Path, most: int) -> I32:
    wrong = ~((values >= 0) & (values <= most) & (values == np.floor(values)))
    if wrong.any():
        raise BadInput(f"{path}: {name}: {values[wrong][0]:g}, allowed whole numbers 0 to {most}")
    return values.astype(np.int32)


def _conditions(antibodies: npt.NDArray[np.str_], path: Path) -> I32:
    names, at = np.unique(antibodies, return_inverse=True)
    unknown = [str(name) for name in names if name not in ANTIBODIES]
    if unknown:
        allowed = ", ".join(ANTIBODIES)
        raise BadInput(f"{path}: antibodies: {unknown[0][:40]!r}, allowed {allowed}")
    numbers = np.array([ANTIBODIES.index(str(name)) for name in names], np.int32)
    result: I32 = numbers[at.reshape(-1)]
    return result


def _numbered(keys: npt.NDArray[Any]) -> I32:
    """One number from 0 for each different row, in the rows' order."""
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)


def _bad(wrong: Bool) -> str:
    count = int(wrong.any(axis=1).sum())
    return f"{count} row{'s' if count > 1 else ''}"
