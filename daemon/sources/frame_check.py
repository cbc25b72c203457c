"""Whether a frame is what its START announced, before a pixel is touched.

Knows headers and lengths; decodes nothing twice and copies no pixel.
"""

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from phenostream.daemon.pipeline.expansion import Packed, shot_arrays
from phenostream.daemon.wire.codec import unpack_header
from phenostream.daemon.wire.encoding import MISSING, chunk_fault
from phenostream.daemon.wire.ingest import (
    HIGHEST_SEQ,
    VERSION,
    Encoding,
    FrameHeader,
    ShotHeader,
    Start,
)
from phenostream.engine.errors import BadMessage
from phenostream.engine.types import Frame


def fault(
    header: FrameHeader | ShotHeader,
    start: Start,
    data: memoryview,
    encodings: Sequence[Encoding],
) -> str | None:
    """Why a frame or shot breaks its contract, as ``code: text`` with value and what was announced; or None.

    Of a shot, the text begins with its illumination.
    """
    size = (start.height, start.width)
    if isinstance(header, FrameHeader):
        return _fault(header, (len(start.shots), *size), start, data, encodings)
    if header.illumination not in start.shots:
        return f"illumination: {header.illumination}, announced {', '.join(start.shots)}"
    reason = _fault(header, size, start, data, encodings)
    return reason.replace(": ", f": {header.illumination}: ", 1) if reason is not None else None


def _fault(
    header: FrameHeader | ShotHeader,
    announced: tuple[int, ...],
    start: Start,
    data: memoryview,
    encodings: Sequence[Encoding],
) -> str | None:
    if header.location != "inline":
        return f"location: {header.location}, this daemon takes inline"
    if header.shape != announced:
        return f"shape: {header.shape}, announced {announced}"
    if header.dtype != start.dtype:
        return f"dtype: {header.dtype}, announced {start.dtype}"
    n_bytes = start.frame_bytes if isinstance(header, FrameHeader) else start.shot_bytes
    return _data_fault(header, n_bytes, data, encodings)


def _data_fault(
    header: FrameHeader | ShotHeader, n_bytes: int, data: memoryview, encodings: Sequence[Encoding]
) -> str | None:
    """Why a data part is not `n_bytes` of counts in an encoding that was promised to be read; None if it may be."""
    if header.encoding not in encodings:
        return f"encoding: {header.encoding}, this daemon takes raw; {MISSING}"
    if header.encoding == "raw" and data.nbytes != n_bytes:
        return f"length: {data.nbytes} bytes, expected {n_bytes}"
    packed_fault = None if header.encoding == "raw" else chunk_fault(data, n_bytes)
    if packed_fault is not None:
        return packed_fault
    if header.crc32 is not None and zlib.crc32(data) != header.crc32:
        return f"crc32: the data do not give {header.crc32:#010x}"
    return None


def parts_of(
    header: FrameHeader | ShotHeader, start: Start, data: memoryview
) -> tuple[Frame | Packed, ...]:
    """Checked data as one (H, W) view for each shot, or as they came where they are compressed."""
    if header.encoding == "raw":
        return shot_arrays(start, data)
    shots = len(start.shots) if isinstance(header, FrameHeader) else 1
    return (Packed(header.model_dump(), data, shots),)


class Named(NamedTuple):
    """What a header says it belongs to."""

    run: str
    frame_seq: int
    is_shot: bool


def frame_named(header: bytes) -> Named | None:
    """What a frame's or shot's header names that is readable but breaks the schema, so that the frame gets its fate."""
    try:
        raw: dict[str, Any] = unpack_header(header)
    except BadMessage:
        return None
    run, frame_seq = raw.get("run"), raw.get("frame_seq")
    kind = raw.get("type")
    named = kind in ("frame", "shot") and raw.get("v") == VERSION and isinstance(run, str)
    if not named or type(frame_seq) is not int or not 0 <= frame_seq <= HIGHEST_SEQ:
        return None
    return Named(str(run), frame_seq, kind == "shot")
