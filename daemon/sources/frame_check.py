"""Whether a frame is what its START announced, before a pixel is touched.

Knows headers and lengths; decodes nothing twice and copies no pixel.
"""

import zlib
from typing import Any

import numpy as np

from phenostream.daemon.wire.codec import unpack_header
from phenostream.daemon.wire.ingest import VERSION, FrameHeader, Start
from phenostream.engine.errors import BadMessage
from phenostream.engine.types import Frame


def fault(header: FrameHeader, start: Start, data: memoryview) -> str | None:
    """Why a frame breaks its contract, as ``code: text`` with value and what was announced; None if it does not."""
    announced = (len(start.shots), start.height, start.width)
    if header.location != "inline":
        return f"location: {header.location}, this daemon takes inline"
    if header.shape != announced:
        return f"shape: {header.shape}, announced {announced}"
    if header.dtype != start.dtype:
        return f"dtype: {header.dtype}, announced {start.dtype}"
    if header.encoding != "raw":
        return f"encoding: {header.encoding}, this daemon takes raw"
    if data.nbytes != start.frame_bytes:
        return f"length: {data.nbytes} bytes, expected {start.frame_bytes}"
    if header.crc32 is not None and zlib.crc32(data) != header.crc32:
        return f"crc32: the data do not give {header.crc32:#010x}"
    return None


def shot_views(start: Start, data: memoryview) -> tuple[Frame, ...]:
    """The counts (H, W) of each shot of a whole frame, as views of its checked data; they keep the message alive."""
    size = start.shot_bytes
    return tuple(
        shot_view(start, data[place * size : (place + 1) * size])
        for place in range(len(start.shots))
    )


def shot_view(start: Start, data: memoryview) -> Frame:
    """The counts (H, W) of one shot, as a view of its checked data; it keeps the message alive."""
    shape = (start.height, start.width)
    if start.dtype == "u8":
        return np.frombuffer(data, np.uint8).reshape(shape)
    return np.frombuffer(data, np.dtype("<u2")).reshape(shape)


def frame_named(header: bytes) -> tuple[str, int] | None:
    """(run, frame_seq) of a frame header that is readable but breaks the schema, so that the frame gets its fate."""
    try:
        raw: dict[str, Any] = unpack_header(header)
    except BadMessage:
        return None
    run, frame_seq = raw.get("run"), raw.get("frame_seq")
    named = raw.get("type") == "frame" and raw.get("v") == VERSION and isinstance(run, str)
    if not named or type(frame_seq) is not int or not 0 <= frame_seq < 2**64:
        return None
    return str(run), frame_seq
