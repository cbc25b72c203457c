"""Reads one journal file from record to record and finds its feet again behind bytes that are no record.

A record is believed where magic, length and CRC agree and its offset is one that can stand there. Behind a bad one the
next that can be believed is searched for byte by byte, but not inside a payload whose length still holds; the offsets
between are lost. At the end of the newest file a bad record may be a write that never ended: it is *torn*, not lost,
unless it is known to have been promised. The file may be written, or cut by its owner after a write that failed, while
it is read.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import (
    HEADER,
    MAGIC,
    Gap,
    Record,
    decode_entry,
    is_whole,
    parse_header,
)
from phenostream.engine.errors import BadRecording

_CHUNK: Final = 1 << 20


class Place(NamedTuple):
    """An offset and the byte where its record begins."""

    offset: int
    byte: int


@dataclass(frozen=True, slots=True)
class Whole:
    """A record that can be believed.

    Attributes:
        synced: Offset before which everything was on disk when it was written.
    """

    entry: Record | Gap
    synced: int
    byte: int
    length: int

    @property
    def after(self) -> Place:
        """Where the next one begins."""
        entry = self.entry
        end = entry.end if isinstance(entry, Gap) else entry.offset + 1
        return Place(end, self.byte + self.length)


@dataclass(frozen=True, slots=True)
class Torn:
    """So many bytes from `byte` on that were never promised."""

    byte: int
    length: int


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a file reaches.

    Attributes:
        offset: The offset after its last; None for the newest file, whose end is not known.
        byte: Where to stop reading; None for the end of the file.
        floor: Offsets below were promised, whatever the file says.
    """

    offset: int | None
    byte: int | None = None
    floor: int = 0


def walk(path: Path, place: Place, limit: Limit) -> Iterator[Whole | Loss | Torn]:
    """Records and losses in order, without a hole between them; at most one `Torn`, at the end.

    Raises:
        BadRecording: The file claims an offset that the next one claims too.
        OSError: The file cannot be read, or is gone.
    """
    while True:
        for whole in _in_a_row(path, place, limit):
            yield whole
            place = whole.after
        found = _beyond(path, place, limit)
        if isinstance(found, Loss):
            yield found
            place = Place(found.end, found.until_byte)
        elif isinstance(found, Torn):
            yield found
            return
        elif found is None:
            return


def _in_a_row(path: Path, place: Place, limit: Limit) -> Iterator[Whole]:
    """Records while each is whole and the one that is due."""
    offset, byte = place
    with path.open("rb", buffering=_CHUNK) as file:
        file.seek(byte)
        while (limit.byte is None or byte < limit.byte) and _below(offset + 1, limit):
            header = file.read(HEADER.size)
            parsed = parse_header(header)
            if parsed is None or parsed.offset != offset:
                return
            payload = file.read(parsed.length)
            entry = decode_entry(parsed, payload) if is_whole(header, parsed, payload) else None
            if entry is None:
                return
            whole = Whole(entry, parsed.synced, byte, HEADER.size + parsed.length)
            if not _below(whole.after.offset, limit):
                return
            yield whole
            offset, byte = whole.after


def _beyond(path: Path, place: Place, limit: Limit) -> Whole | Loss | Torn | None:
    """What is where no record is: nothing, a loss, a torn end, or a record that was finished just now."""
    with path.open("rb") as file:
        fd = file.fileno()
        size = os.fstat(fd).st_size
        end = size if limit.byte is None else min(size, limit.byte)
        if limit.offset is None:
            return _beyond_newest(path, fd, place, end, limit)
        if place.offset >= limit.offset:
            return _surplus(path, fd, place, end)
        found = next(
            (
                whole
                for whole in _later(fd, _search_from(fd, place, end, limit), end)
                if whole.entry.offset >= place.offset and _below(whole.after.offset, limit)
            ),
            None,
        )
        if found is None:
            return Loss(path, place.byte, max(end, place.byte), place.offset, limit.offset)
        return Loss(path, place.byte, found.byte, place.offset, found.entry.offset)


def _surplus(path: Path, fd: int, place: Place, end: int) -> Loss | None:
    """What follows the last record of a file that is not the newest."""
    whole = _at(fd, place.byte) if end > place.byte else None
    if whole is not None and whole.entry.offset == place.offset:
        raise BadRecording(
            f"{path}: goes on with offset {place.offset}, with which the next file begins; "
            "move the one aside that does not belong here"
        )
    return Loss(path, place.byte, end, place.offset, place.offset) if end > place.byte else None


def _beyond_newest(
    path: Path, fd: int, place: Place, end: int, limit: Limit
) -> Whole | Loss | Torn | None:
    if end <= place.byte:
        lost = limit.floor > place.offset
        return Loss(path, place.byte, place.byte, place.offset, limit.floor) if lost else None
    promised, found = limit.floor, None
    for whole in _later(fd, _search_from(fd, place, end, limit), end):
        if _can_follow(whole, place):
            found = found or whole
            promised = max(promised, whole.synced)
            if promised > place.offset:
                break
    if promised <= place.offset:
        return Torn(place.byte, end - place.byte)
    here = _at(fd, place.byte)
    if here is not None and here.entry.offset == place.offset:
        return here  # its owner finished it between our two looks
    if found is None:
        return Loss(path, place.byte, end, place.offset, promised)
    return Loss(path, place.byte, found.byte, place.offset, found.entry.offset)


def _below(end: int, limit: Limit) -> bool:
    return limit.offset is None or end <= limit.offset


def _can_follow(whole: Whole, place: Place) -> bool:
    """Whether the bytes between have room for the offsets between: every record is a header at least."""
    between = whole.entry.offset - place.offset
    return 0 <= between <= (whole.byte - place.byte) // HEADER.size


def _search_from(fd: int, place: Place, end: int, limit: Limit) -> int:
    """Where to look for the next record: not in a payload, which may hold what looks like one, if its end is known.

    It is where the length of the bad record says so, if the record that is due then begins there, or none is due.
    """
    parsed = parse_header(os.pread(fd, HEADER.size, place.byte))
    if parsed is None:
        return place.byte
    behind = place.byte + HEADER.size + parsed.length
    if behind == end and limit.offset == place.offset + 1:
        return end
    whole = _at(fd, behind)
    if whole is None or whole.entry.offset != place.offset + 1 or behind + whole.length > end:
        return place.byte
    return behind - 1


def _later(fd: int, byte: int, end: int) -> Iterator[Whole]:
    """Everything after `byte` that has magic, length and CRC of a record."""
    at = byte + 1
    while at < end:
        chunk = os.pread(fd, _CHUNK, at)
        hit = chunk.find(MAGIC)
        while hit >= 0:
            whole = _at(fd, at + hit)
            if whole is not None and whole.byte + whole.length <= end:
                yield whole
            hit = chunk.find(MAGIC, hit + 1)
        if len(chunk) < len(MAGIC):
            return
        at += len(chunk) - len(MAGIC) + 1


def _at(fd: int, byte: int) -> Whole | None:
    header = os.pread(fd, HEADER.size, byte)
    parsed = parse_header(header)
    if parsed is None:
        return None
    payload = os.pread(fd, parsed.length, byte + HEADER.size)
    entry = decode_entry(parsed, payload) if is_whole(header, parsed, payload) else None
    return None if entry is None else Whole(entry, parsed.synced, byte, HEADER.size + parsed.length)
