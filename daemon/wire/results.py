"""What the daemon publishes: `[topic, offset, payload]`, the payload being one msgpack map.

Topics ``result``, ``summary`` and ``status`` are journal records and carry their offset (u64, big-endian);
``highwater`` carries the newest offset and is not journaled. A subscriber that reads all three journaled topics sees
offsets without a gap, or knows exactly which it missed. Readers ignore keys they do not know.

Every frame has exactly one ``result`` record, whatever its fate; `columns` is empty unless the fate is ``published``.
"""

import math
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
            stage_um, degraded, counts {found, classified, edge, rejected, over_limit, failed}, flags, model {name,
            version, sha256, backend, precision, calibrated, ...}, synthetic, timing_ms. The keys are in `docs/wire.md`.
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
    columns = {name: _encoded(column) for name, column in record.columns.items()}
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


def _encoded(column: WireColumn) -> dict[str, Any]:
    values = column.values.astype(column.values.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": values.dtype.str,
        "unit": column.unit,
        "shape": list(values.shape),
        "data": values.tobytes(),
    }


def _column(name: str, value: Any) -> WireColumn:
    try:
        dtype, data, unit = _DTYPES[value["dtype"]], value["data"], str(value["unit"])
        shape = tuple(value["shape"])
        if not all(type(n) is int and n >= 0 for n in shape) or not isinstance(data, bytes):
            raise ValueError("shape or data of another type")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"shape {shape} of {dtype} is not {len(data)} bytes")
        return WireColumn(np.frombuffer(data, dtype).reshape(shape), unit)
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        reason = str(err).splitlines()[0][:120] if str(err) else ""
        raise BadMessage(f"column {name[:40]!r}: {type(err).__name__} {reason}") from err
