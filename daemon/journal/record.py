"""One journal record as bytes: magic, length, CRC-32, synced, offset, topic, payload.

`synced` is the offset up to which (exclusive) everything was known to be on disk when the record was written. It tells
a torn tail from rot: a bad record that a later, whole record calls synced was once on disk and promised; one that no
later record calls synced was never promised to anyone.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from phenostream.daemon.wire.codec import MAX_RESULT_BYTES
from phenostream.daemon.wire.results import TOPICS, Topic

MAGIC: Final = b"PSJ1"
HEADER: Final = struct.Struct(">4sIIQQB")
_CHECKED: Final = 12
"""First header byte under the CRC."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its place, its topic and the payload exactly as it is published."""

    offset: int
    topic: Topic
    payload: bytes


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """A parsed header; `length` is that of the payload."""

    length: int
    crc32: int
    synced: int
    offset: int
    topic: Topic


def encode_record(record: Record, synced: int) -> tuple[bytes, bytes]:
    """Header and payload, to be written one after the other."""
    topic = TOPICS.index(record.topic)
    header = HEADER.pack(MAGIC, len(record.payload), 0, synced, record.offset, topic)
    crc = zlib.crc32(record.payload, zlib.crc32(header[_CHECKED:]))
    return header[:8] + crc.to_bytes(4, "big") + header[_CHECKED:], record.payload


def parse_header(data: bytes) -> RecordHeader | None:
    """The header, or None where the bytes are no header."""
    if len(data) != HEADER.size:
        return None
    magic, length, crc32, synced, offset, topic = HEADER.unpack(data)
    if magic != MAGIC or length > MAX_RESULT_BYTES or topic >= len(TOPICS):
        return None
    return RecordHeader(length, crc32, synced, offset, TOPICS[topic])


def is_whole(header: bytes, parsed: RecordHeader, payload: bytes) -> bool:
    """Whether the payload is all there and the CRC agrees."""
    if len(payload) != parsed.length:
        return False
    return zlib.crc32(payload, zlib.crc32(header[_CHECKED:])) == parsed.crc32
