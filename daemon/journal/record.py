"""One journal record as bytes: magic, length, CRC-32, synced, offset, topic, payload.

`synced` is the offset up to which (exclusive) everything was known to be on disk when the record was written. It tells
a torn tail from rot: a bad record that a later, whole record calls synced was once on disk and promised; one that no
later record calls synced was never promised to anyone.

A gap is a record of another kind: it stands where offsets were, says up to where, and that they are gone for good.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final, Literal, get_args

from phenostream.daemon.wire.codec import MAX_RESULT_BYTES
from phenostream.daemon.wire.results import TOPICS, Topic

MAGIC: Final = b"PSJ1"
HEADER: Final = struct.Struct(">4sIIQQB")
_CHECKED: Final = 12
"""First header byte under the CRC."""
_GAP: Final = 255
"""In the place of a topic."""
_GAP_PAYLOAD: Final = struct.Struct(">QB")
Why = Literal["damage", "dropped"]
_WHY: Final[tuple[Why, ...]] = get_args(Why)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its place, its topic and the payload exactly as it is published."""

    offset: int
    topic: Topic
    payload: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets from `offset` up to `end` (exclusive) that this journal gave up.

    Attributes:
        why: ``damage`` that was acknowledged, or records that a person ``dropped``.
    """

    offset: int
    end: int
    why: Why


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """A parsed header; `length` is that of the payload, `topic` is None for a gap."""

    length: int
    crc32: int
    synced: int
    offset: int
    topic: Topic | None


def encode_record(record: Record, synced: int) -> tuple[bytes, bytes]:
    """Header and payload, to be written one after the other."""
    return _encode(TOPICS.index(record.topic), record.offset, synced, record.payload)


def encode_gap(gap: Gap) -> bytes:
    """The bytes of a gap; everything up to its end was once synced."""
    payload = _GAP_PAYLOAD.pack(gap.end, _WHY.index(gap.why))
    return b"".join(_encode(_GAP, gap.offset, gap.end, payload))


def decode_entry(parsed: RecordHeader, payload: bytes) -> Record | Gap | None:
    """What a whole record is; None for a gap that makes no sense."""
    if parsed.topic is not None:
        return Record(parsed.offset, parsed.topic, payload)
    if len(payload) != _GAP_PAYLOAD.size:
        return None
    end, why = _GAP_PAYLOAD.unpack(payload)
    if end <= parsed.offset or why >= len(_WHY):
        return None
    return Gap(parsed.offset, end, _WHY[why])


def parse_header(data: bytes) -> RecordHeader | None:
    """The header, or None where the bytes are no header."""
    if len(data) != HEADER.size:
        return None
    magic, length, crc32, synced, offset, topic = HEADER.unpack(data)
    if magic != MAGIC or length > MAX_RESULT_BYTES or (topic >= len(TOPICS) and topic != _GAP):
        return None
    return RecordHeader(length, crc32, synced, offset, None if topic == _GAP else TOPICS[topic])


def is_whole(header: bytes, parsed: RecordHeader, payload: bytes) -> bool:
    """Whether the payload is all there and the CRC agrees."""
    if len(payload) != parsed.length:
        return False
    return zlib.crc32(payload, zlib.crc32(header[_CHECKED:])) == parsed.crc32


def _encode(topic: int, offset: int, synced: int, payload: bytes) -> tuple[bytes, bytes]:
    header = HEADER.pack(MAGIC, len(payload), 0, synced, offset, topic)
    crc = zlib.crc32(payload, zlib.crc32(header[_CHECKED:]))
    return header[:8] + crc.to_bytes(4, "big") + header[_CHECKED:], payload
