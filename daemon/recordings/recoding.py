"""What is sent for one message of a recording: as it was recorded, or packed otherwise, or taken apart into shots.

The counts stay the same. What broke its contract when it was recorded is sent as it was recorded.
"""

import zlib
from collections.abc import Iterator
from typing import get_args

from phenostream.daemon.client.stream import ShotOrder, SourceFrame, taken_apart
from phenostream.daemon.sources.frame_check import fault
from phenostream.daemon.wire.encoding import pack_counts, unpack_counts
from phenostream.daemon.wire.ingest import Encoding, FrameHeader, ShotHeader, Start

Message = tuple[FrameHeader | ShotHeader, bytes | memoryview]


def recoded(
    header: FrameHeader | ShotHeader,
    data: bytes,
    start: Start,
    encoding: Encoding | None,
    single_shots: ShotOrder | None,
) -> Iterator[Message]:
    """The messages to send for one of a recording.

    Args:
        header: Of a frame or shot.
        data: As it was recorded.
        start: Of its run.
        encoding: How to pack the counts; None: as they were.
        single_shots: Take whole frames apart, in this order; None: leave them whole.

    Raises:
        BadFrame: The data do not decode to what START announced.
        MissingPackage: The encoding's library is not installed.
    """
    if fault(header, start, memoryview(data), get_args(Encoding)) is not None:
        yield header, data
    elif isinstance(header, ShotHeader) or single_shots is None:
        yield _packed(header, data, start, encoding or header.encoding)
    else:
        frame = SourceFrame(header.frame_seq, _plain(header, data, start))
        told = header.model_dump(exclude={"v", "type", "shape", "encoding"})
        for _, shot, counts in taken_apart(start, [frame], single_shots):
            size = (start.height, start.width)
            plain = ShotHeader(**told, illumination=shot, shape=size, encoding="raw")
            yield _packed(_signed(plain, counts), counts, start, encoding or header.encoding)


def _packed(
    header: FrameHeader | ShotHeader, data: bytes | memoryview, start: Start, wanted: Encoding
) -> Message:
    if wanted == header.encoding:
        return header, data
    counts = _plain(header, data, start)
    packed = counts if wanted == "raw" else pack_counts(counts, 1 if start.dtype == "u8" else 2)
    return _signed(header.model_copy(update={"encoding": wanted}), packed), packed


def _plain(header: FrameHeader | ShotHeader, data: bytes | memoryview, start: Start) -> memoryview:
    """The counts of a sound message, C order."""
    if header.encoding == "raw":
        return memoryview(data)
    n_bytes = start.frame_bytes if isinstance(header, FrameHeader) else start.shot_bytes
    return unpack_counts(memoryview(data), n_bytes).data


def _signed(header: FrameHeader | ShotHeader, data: bytes | memoryview) -> FrameHeader | ShotHeader:
    """With the checksum of these data, where it had one."""
    if header.crc32 is None:
        return header
    return header.model_copy(update={"crc32": zlib.crc32(data)})
