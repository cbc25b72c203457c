"""One journal file, `<first offset, 20 digits>.journal`: scanning it and judging its end.

Knows one file; `log` knows how files follow each other.
"""

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.record import HEADER, MAGIC, Record, is_whole, parse_header
from phenostream.engine.errors import BadRecording

SUFFIX: Final = ".journal"
_INDEX_STEP_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Segment:
    """One file.

    Attributes:
        first: Offset of its first record.
        end: Offset after its last whole record.
        size: Bytes of its whole records.
        index: (offset, position) about every MiB, ascending.
    """

    path: Path
    first: int
    end: int
    size: int = 0
    index: list[tuple[int, int]] = field(default_factory=list)

    def grow(self, length: int) -> None:
        """Account for one more record of `length` bytes, header included."""
        if not self.index or self.size - self.index[-1][1] >= _INDEX_STEP_BYTES:
            self.index.append((self.end, self.size))
        self.end += 1
        self.size += length

    def position_near(self, offset: int) -> tuple[int, int]:
        """(offset, position) of an indexed record at or before `offset`."""
        best = (self.first, 0)
        for entry in self.index:
            if entry[0] > offset:
                break
            best = entry
        return best


def segment_path(directory: Path, first: int) -> Path:
    """Where the segment that starts with `first` lives."""
    return directory / f"{first:020d}{SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """The segments of a directory in order, not yet scanned.

    Raises:
        BadRecording: A ``.journal`` file whose name is no offset.
    """
    segments = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        if not (path.stem.isdigit() and len(path.stem) == 20):
            raise BadRecording(f"{path}: not a journal segment name, expected 20 digits")
        segments.append(Segment(path, int(path.stem), int(path.stem)))
    return segments


def scan(segment: Segment, start: tuple[int, int] | None = None) -> Iterator[tuple[Record, int]]:
    """Whole records in order with their length on disk; ends at the first byte that is no whole record.

    Args:
        segment: The file.
        start: (offset, position) to begin at; default: the beginning.
    """
    offset, position = start or (segment.first, 0)
    with segment.path.open("rb", buffering=1 << 20) as file:
        file.seek(position)
        while True:
            header = file.read(HEADER.size)
            parsed = parse_header(header)
            if parsed is None or parsed.offset != offset:
                return
            payload = file.read(parsed.length)
            if not is_whole(header, parsed, payload):
                return
            yield Record(offset, parsed.topic, payload), HEADER.size + parsed.length
            offset += 1


def was_promised(segment: Segment) -> int | None:
    """Position of a later whole record which shows that the one at `segment.end` was once on disk, or None."""
    size = os.path.getsize(segment.path)
    if size <= segment.size:
        return None
    with (
        segment.path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
    ):
        position = view.find(MAGIC, segment.size + 1)
        while position >= 0:
            header = view[position : position + HEADER.size]
            parsed = parse_header(header)
            if parsed is not None and parsed.synced > segment.end:
                body = position + HEADER.size
                if is_whole(header, parsed, view[body : body + parsed.length]):
                    return position
            position = view.find(MAGIC, position + 1)
    return None
