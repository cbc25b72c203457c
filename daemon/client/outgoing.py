"""What a source sends for one frame or one shot: a header that START vouches for, and the counts as bytes.

Knows START and how counts are packed; knows no socket.
"""

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from phenostream.daemon.wire.encoding import pack_counts
from phenostream.daemon.wire.ingest import Encoding, FrameHeader, Shot, ShotHeader, Start
from phenostream.engine.errors import BadFrame

FrameData = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | bytes | bytearray | memoryview
"""Counts, or their bytes in C order."""


class Facts(NamedTuple):
    """What is known of a frame or shot besides its counts.

    Attributes:
        stage_um: Stage x, y, z; None when unknown.
        exposure_ms: Per shot; None when unknown.
        source_utc_ns: When it was taken; None takes the clock now.
    """

    stage_um: tuple[float, float, float] | None = None
    exposure_ms: float | None = None
    source_utc_ns: int | None = None

    def fields(self) -> dict[str, Any]:
        """As fields of a header."""
        x_um, y_um, z_um = self.stage_um if self.stage_um is not None else (None, None, None)
        return {
            "x_um": x_um,
            "y_um": y_um,
            "z_um": z_um,
            "exposure_ms": self.exposure_ms,
            "source_utc_ns": time.time_ns() if self.source_utc_ns is None else self.source_utc_ns,
        }


def frame_message(
    start: Start, frame_seq: int, data: FrameData, facts: Facts, encoding: Encoding = "raw"
) -> tuple[FrameHeader, bytes | memoryview]:
    """A whole frame, after comparing its counts with START.

    Args:
        start: Of the run.
        frame_seq: Number in the run.
        data: (shots, H, W) counts, or their bytes; not copied unless they are packed.
        facts: What else is known.
        encoding: How to pack the counts.

    Raises:
        BadFrame: Shape, dtype or length is not what START announced.
        MissingPackage: The encoding's library is not installed.
    """
    shape = (len(start.shots), start.height, start.width)
    counts = _packed(_checked(data, start, shape, "frame"), start, encoding)
    header = FrameHeader(
        run=start.run,
        frame_seq=frame_seq,
        shape=shape,
        dtype=start.dtype,
        encoding=encoding,
        **facts.fields(),
    )
    return header, counts


def shot_message(
    start: Start,
    named: tuple[int, Shot],
    data: FrameData,
    facts: Facts,
    encoding: Encoding = "raw",
) -> tuple[ShotHeader, bytes | memoryview]:
    """One shot, (H, W) counts, `named` by the number of its frame and its illumination; else as `frame_message`."""
    frame_seq, illumination = named
    if illumination not in start.shots:
        raise BadFrame(f"shot: {illumination}, START announced {', '.join(start.shots)}")
    shape = (start.height, start.width)
    counts = _packed(_checked(data, start, shape, "shot"), start, encoding)
    header = ShotHeader(
        run=start.run,
        frame_seq=frame_seq,
        illumination=illumination,
        shape=shape,
        dtype=start.dtype,
        encoding=encoding,
        **facts.fields(),
    )
    return header, counts


def shots_of(start: Start, data: FrameData) -> dict[Shot, memoryview]:
    """The counts of each shot of a whole frame, not copied, by illumination.

    Raises:
        BadFrame: They are not a frame as START announced it.
    """
    shape = (len(start.shots), start.height, start.width)
    view, size = _checked(data, start, shape, "frame"), start.shot_bytes
    return {shot: view[k * size : (k + 1) * size] for k, shot in enumerate(start.shots)}


def _checked(data: FrameData, start: Start, shape: tuple[int, ...], what: str) -> memoryview:
    """The bytes in C order, after comparing with START."""
    if isinstance(data, np.ndarray):
        dtype = "<u1" if start.dtype == "u8" else "<u2"
        if data.shape != shape or data.dtype != np.dtype(dtype):
            raise BadFrame(
                f"{what}: shape {data.shape} of {data.dtype}, START announced {shape} of {start.dtype}"
            )
        data = np.ascontiguousarray(data).data
    view = memoryview(data).cast("B")
    expected = start.frame_bytes if len(shape) > 2 else start.shot_bytes
    if len(view) != expected:
        raise BadFrame(f"{what}: {len(view)} bytes, START announced {expected}")
    return view


def _packed(counts: memoryview, start: Start, encoding: Encoding) -> bytes | memoryview:
    if encoding == "raw":
        return counts
    return pack_counts(counts, 1 if start.dtype == "u8" else 2)
