"""What the daemon publishes: `[topic, offset, payload]`, the payload being one msgpack map.

Topics ``result``, ``summary`` and ``status`` are journal records and carry their offset (u64, big-endian);
``highwater`` carries the newest offset and is not journaled. A subscriber that reads all three journaled topics sees
offsets without a gap, or knows exactly which it missed. Readers ignore keys they do not know.

Every frame has exactly one ``result`` record, whatever its fate; `columns` is empty unless the fate is ``published``.
"""

import struct
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.engine.errors import BadMessage

Topic = Literal["result", "summary", "status", "highwater"]
TOPICS: Final[tuple[Topic, ...]] = ("result", "summary", "status", "highwater")
WELCOME_TOPIC: Final = b"welcome"
"""First message a new subscriber receives: it is subscribed from here on (XPUB welcome message, one part)."""

_DTYPES: Final = {
    name: np.dtype(name)
    for name in ("<u1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f2", "<f4", "<f8", "|b1", "|u1")
}
_OFFSET: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class WireColumn:
    """One named column: first axis = cell.

    Attributes:
        values: (N, ...) array of a dtype from the closed list.
        unit: UCUM-like text such as ``px``, ``um``, ``1`` (no dimension) or the manifest's marker unit.
    """

    values: npt.NDArray[Any]
    unit: str


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """The one record of a frame, as a subscriber sees it.

    Attributes:
        meta: Everything but the columns: run, instrument, frame_seq, fate, reason, received_utc_ns, source_utc_ns,
            stage_um, counts {found, classified, edge, rejected, over_limit}, flags, model {name, version, sha256,
            backend, precision}, synthetic, timing_ms. The keys are listed in `docs/wire.md`.
        columns: By name; equal first axis.
    """

    meta: dict[str, Any]
    columns: dict[str, WireColumn] = field(default_factory=dict)


def encode_offset(offset: int) -> bytes:
    """Eight bytes, big-endian, so that byte order is offset order."""
    return _OFFSET.pack(offset)


def decode_offset(data: bytes) -> int:
    """The offset of a message part.

    Raises:
        BadMessage: Not eight bytes.
    """
    if len(data) != _OFFSET.size:
        raise BadMessage(f"offset: {len(data)} bytes, expected {_OFFSET.size}")
    value: int = _OFFSET.unpack(data)[0]
    return value


def encode_frame(record: FrameRecord) -> bytes:
    """The payload of one ``result`` record."""
    columns = {
        name: {
            "dtype": column.values.dtype.newbyteorder("<").str,
            "unit": column.unit,
            "shape": list(column.values.shape),
            "data": np.ascontiguousarray(column.values).tobytes(),
        }
        for name, column in record.columns.items()
    }
    return pack({"v": 1, "type": "result", **record.meta, "columns": columns})


def decode_frame(payload: bytes | memoryview) -> FrameRecord:
    """A ``result`` payload as typed columns; unknown keys are kept in `meta`, never refused.

    Raises:
        BadMessage: A column whose dtype, shape and length disagree, or another version.
    """
    meta = unpack_result(payload)
    if meta.get("v") != 1:
        raise BadMessage(f"result v: {meta.get('v')!r}, this reader speaks version 1")
    raw = meta.pop("columns", {})
    if not isinstance(raw, dict):
        raise BadMessage(f"columns: {type(raw).__name__}, expected a map")
    return FrameRecord(meta, {name: _column(name, value) for name, value in raw.items()})


def _column(name: str, value: Any) -> WireColumn:
    try:
        dtype = _DTYPES[value["dtype"]]
        shape = tuple(int(n) for n in value["shape"])
        data, unit = value["data"], str(value["unit"])
    except (KeyError, TypeError, ValueError) as err:
        raise BadMessage(f"column {name}: {type(err).__name__} {err}") from err
    length = dtype.itemsize
    for n in shape:
        length *= n
    if min(shape, default=0) < 0 or not isinstance(data, bytes) or length != len(data):
        raise BadMessage(
            f"column {name}: shape {shape} and dtype {dtype} do not give the data's length"
        )
    return WireColumn(np.frombuffer(data, dtype).reshape(shape), unit)
