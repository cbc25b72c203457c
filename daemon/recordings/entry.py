"""One entry of a recording as bytes: a checked head, the exact message header, and the data as stored.

A file is the 12-byte prefix, an opening entry, message entries in the order they came, and a closing entry. The head
carries its own CRC-32, so that its lengths can be believed before anything of that size is read; the body's CRC-32
covers what is stored, so that a fault is found without decompressing. Knows bytes; opens no file.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from phenostream.daemon.wire.codec import MAX_HEADER_BYTES

SUFFIX: Final = ".phenorec"
FORMAT: Final = 1
PREFIX: Final = b"PHENOREC" + FORMAT.to_bytes(4, "big")
MAGIC: Final = b"PSR1"
MAX_DATA_BYTES: Final = 4 << 30
"""Largest data frame any ingest may be configured to take."""

# magic, CRC of what follows, kind, coding, has data, header, data, stored bytes, ns since start, UTC ns, body CRC
_HEAD: Final = struct.Struct(">4sIBB?xIQQQQI")
HEAD_BYTES: Final = _HEAD.size
_CHECKED: Final = 8
_MOST_RATIO: Final = 1032
"""zlib's largest expansion; a longer claim is a lie."""

Buffer = bytes | bytearray | memoryview


class Kind(IntEnum):
    """What an entry is."""

    OPENING = 1
    MESSAGE = 2
    CLOSING = 3


class Coding(IntEnum):
    """How the data part is stored."""

    RAW = 0
    ZLIB = 1


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an entry before its body is read.

    Attributes:
        header_bytes: Length of the message header, stored as it is.
        data_bytes: Length of the data part as it was received; None where the message has no data part.
        stored_bytes: Length of the data part on disk.
        since_start_ns: Receive time on a monotonic clock that was 0 when the recording began.
        utc_ns: Receive time on the wall clock.
    """

    kind: Kind
    coding: Coding
    header_bytes: int
    data_bytes: int | None
    stored_bytes: int
    since_start_ns: int
    utc_ns: int
    body_crc32: int

    @property
    def body_bytes(self) -> int:
        """Bytes that follow the head."""
        return self.header_bytes + self.stored_bytes


def prefix_fault(prefix: bytes) -> str | None:
    """Why the first bytes of a file are not those of a recording this program reads, with the byte; or None."""
    if prefix == PREFIX:
        return None
    if len(prefix) < len(PREFIX) and PREFIX.startswith(prefix):
        return f"byte {len(prefix)}: cut short in its first {len(PREFIX)} bytes"
    if prefix.startswith(PREFIX[:8]):
        version = int.from_bytes(prefix[8:], "big")
        return f"byte 8: recording of format version {version}, this program reads {FORMAT}"
    return f"byte 0: not a phenostream recording (it begins with {prefix[:8]!r})"


def encode_entry(
    kind: Kind,
    header: bytes,
    data: Buffer | None,
    times_ns: tuple[int, int],
    level: int = 0,
) -> Sequence[Buffer]:
    """The parts of one entry, to be written behind each other.

    Args:
        kind: Which.
        header: Message header, at most 64 KiB.
        data: Data part, or None where the message has none; not copied when stored raw.
        times_ns: (since start, UTC).
        level: zlib level, 0 stores raw; data that would not get shorter is stored raw too.
    """
    coding, stored = Coding.RAW, b"" if data is None else memoryview(data).cast("B")
    if level and len(stored):
        packed = zlib.compress(stored, level)
        if len(packed) < len(stored):
            coding, stored = Coding.ZLIB, packed
    body_crc32 = zlib.crc32(stored, zlib.crc32(header))
    data_bytes = 0 if data is None else memoryview(data).nbytes
    head = _HEAD.pack(
        MAGIC,
        0,
        kind,
        coding,
        data is not None,
        len(header),
        data_bytes,
        len(stored),
        *times_ns,
        body_crc32,
    )
    checked = MAGIC + zlib.crc32(head[_CHECKED:]).to_bytes(4, "big") + head[_CHECKED:]
    return checked, header, stored


def parse_head(data: bytes) -> Head | None:
    """The head, or None where the bytes are none."""
    if len(data) != HEAD_BYTES or data[:4] != MAGIC:
        return None
    _, crc32, kind, coding, has_data, header, size, stored, since, utc, body = _HEAD.unpack(data)
    if zlib.crc32(data[_CHECKED:]) != crc32 or header > MAX_HEADER_BYTES:
        return None
    if size > MAX_DATA_BYTES or kind not in tuple(Kind) or coding not in tuple(Coding):
        return None
    fits = stored == size if coding == Coding.RAW else stored < size <= _MOST_RATIO * stored
    if not fits or (not has_data and size):
        return None
    data_bytes = size if has_data else None
    return Head(Kind(kind), Coding(coding), header, data_bytes, stored, since, utc, body)


def is_whole(head: Head, header: bytes, stored: bytes) -> bool:
    """Whether both parts of the body are all there and their CRC agrees."""
    if (len(header), len(stored)) != (head.header_bytes, head.stored_bytes):
        return False
    return zlib.crc32(stored, zlib.crc32(header)) == head.body_crc32


def decode_data(head: Head, stored: bytes) -> bytes | None:
    """The data part as it was received, from a whole body; None where the message has none.

    Raises:
        ValueError: It does not expand to what the head says.
    """
    if head.data_bytes is None:
        return None
    if head.coding is Coding.RAW:
        return stored
    decoder = zlib.decompressobj()
    try:
        data = decoder.decompress(stored, head.data_bytes)
        # One byte more than there may be: this drives the stream to its end and its own checksum.
        excess = decoder.decompress(decoder.unconsumed_tail, 1)
    except zlib.error as err:
        raise ValueError(f"data do not expand ({err})") from err
    if excess or len(data) != head.data_bytes or not decoder.eof:
        raise ValueError(f"data do not expand to {head.data_bytes} bytes")
    return data
