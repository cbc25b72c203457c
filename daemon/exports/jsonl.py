"""One JSON object for one record of the result stream: what `phenostream watch --json` prints, a line each.

A result is ``{"topic", "offset", ...meta, "units": {name: unit}, "columns": {name: [one value per found cell]}}``, meta
being the keys of the record (run, frame_seq, fate, ...). Numbers of float32 columns have the shortest decimal that
gives the same float32 again; NaN and infinity, which JSON does not have, are null. Also reads such results back.
"""

import json
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.daemon.wire.results import FrameRecord, WireColumn
from phenostream.engine.errors import BadInput

_LONGEST_DECIMAL: Final = "U32"
_INTEGERS: Final[dict[str, type[np.generic]]] = {
    "index": np.uint32,
    "status": np.uint8,
    "class": np.uint8,
}


def json_record(topic: str, offset: int, body: FrameRecord | dict[str, Any]) -> dict[str, Any]:
    """Plain values for `json.dumps(..., allow_nan=False)`.

    Args:
        topic: ``result``, ``summary`` or ``status``.
        offset: Place in the journal.
        body: A result's meta and columns, or the map of another record.
    """
    place = {"topic": topic, "offset": offset}
    if not isinstance(body, FrameRecord):
        return {**place, **_plain(body)}
    return {
        **place,
        **_plain(body.meta),
        "units": {name: column.unit for name, column in body.columns.items()},
        "columns": {name: _values(column.values) for name, column in body.columns.items()},
    }


def json_line(topic: str, offset: int, body: FrameRecord | dict[str, Any]) -> str:
    """The same as one line of text without its line end."""
    return json.dumps(json_record(topic, offset, body), allow_nan=False, separators=(",", ":"))


def frame_of(value: dict[str, Any]) -> FrameRecord:
    """A result as it was before `json_record`; null is NaN.

    Raises:
        BadInput: A column that is no list of numbers, or columns of different lengths.
    """
    meta = {key: part for key, part in value.items() if key not in ("columns", "units")}
    units, columns = value.get("units") or {}, value.get("columns") or {}
    if not isinstance(units, dict) or not isinstance(columns, dict):
        raise BadInput("columns or units: not an object")
    held = {
        name: WireColumn(_array(name, part), str(units.get(name, "1")))
        for name, part in columns.items()
    }
    if len({len(column.values) for column in held.values()}) > 1:
        raise BadInput("columns of different lengths")
    return FrameRecord(meta, held)


def _values(values: npt.NDArray[Any]) -> list[Any]:
    if values.dtype.kind != "f":
        listed: list[Any] = values.tolist()
        return listed
    exact = values.astype(_LONGEST_DECIMAL).astype(np.float64) if values.itemsize < 8 else values
    if np.isfinite(exact).all():
        listed = exact.tolist()
        return listed
    return _nulled(exact.tolist())


def _nulled(values: list[Any]) -> list[Any]:
    return [
        _nulled(value) if isinstance(value, list) else (value if math.isfinite(value) else None)
        for value in values
    ]


def _plain(value: Any) -> Any:
    """Maps, lists and scalars that JSON has; bytes as hex."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    return value


def _array(name: str, values: Any) -> npt.NDArray[Any]:
    """A column as the journal has it: integers, booleans, else float32."""
    try:
        if name in _INTEGERS:
            return np.asarray(values, _INTEGERS[name])
        array = np.asarray(values)
        if array.dtype.kind in "bi" and array.size:
            return array
        return np.asarray(values, np.float32)
    except (TypeError, ValueError, OverflowError) as err:
        raise BadInput(f"column {name}: {str(err)[:120]}") from err
