"""What a journal holds and whether a daemon would open it, found out without a lock and without changing a byte.

Judges as `log` does when it opens. A daemon may be writing meanwhile: then what it has not finished looks like a torn
tail, which is no damage.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.record import Record
from phenostream.daemon.journal.segment import Segment, list_segments, scan, was_promised
from phenostream.engine.errors import BadRecording

REMEDY: Final = "move the folder aside to begin a new one"
"""What lets a daemon start again."""
_EXPORT: Final = "`phenostream export` reads a copy without this file and later ones"


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that was promised is damaged or gone; all before it is whole.

    Attributes:
        path: The file.
        byte: Position of the first bad byte in it.
        offset: Offset of the first record that is lost.
        what: One line with file, position and remedy: what a daemon says when it refuses the journal.
    """

    path: Path
    byte: int
    offset: int
    what: str


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """What is in a journal folder; a folder that is not there is an empty journal.

    Attributes:
        segments: Files.
        records: Whole records before any damage.
        newest: Offset of the last of them; None without any.
        damage: Why a daemon would refuse it; None if it would not.
        torn_bytes: A tail that was never promised and that a daemon would cut.
    """

    segments: int
    records: int
    newest: int | None
    damage: Damage | None
    torn_bytes: int


def inspect(directory: Path, on_record: Callable[[Record], None] | None = None) -> JournalFacts:
    """Read every record of a journal.

    Args:
        directory: Its folder.
        on_record: Sees every whole record in order.

    Raises:
        BadRecording: A ``.journal`` file whose name is no offset, or as `on_record` raises.
    """
    segments = list_segments(directory)
    damage, torn_bytes = None, 0
    before: Segment | None = None
    for segment in segments:
        damage = gap(before, segment)
        if damage is not None:
            break
        before = segment
        for record, length in scan(segment):
            segment.grow(length)
            if on_record is not None:
                on_record(record)
        damage, torn_bytes = judge_end(segment, last=segment is segments[-1])
        if damage is not None:
            break
    end, first = (before.end, segments[0].first) if before else (0, 0)
    newest = end - 1 if end > first else None
    return JournalFacts(len(segments), end - first, newest, damage, torn_bytes)


def gap(before: Segment | None, segment: Segment) -> Damage | None:
    """The damage where a segment does not begin where the one before it, already scanned, ends."""
    if before is None or before.end == segment.first:
        return None
    where = f"{segment.path}: starts at offset {segment.first}, expected {before.end}"
    return Damage(segment.path, 0, before.end, f"{where}; {REMEDY}; {_EXPORT}")


def judge_end(segment: Segment, *, last: bool) -> tuple[Damage | None, int]:
    """What the bytes after a scanned segment's whole records are: damage, or a torn tail of so many bytes."""
    excess = os.path.getsize(segment.path) - segment.size
    if not excess:
        return None, 0
    if last and was_promised(segment) is None:
        return None, excess
    where = f"{segment.path}: damaged at byte {segment.size} (offset {segment.end})"
    what = f"{where}, {excess} bytes follow; {REMEDY}; {_EXPORT}"
    return Damage(segment.path, segment.size, segment.end, what), 0


def refuse(damage: Damage | None) -> None:
    """Let pass only what is whole.

    Raises:
        BadRecording: There is damage.
    """
    if damage is not None:
        raise BadRecording(damage.what)
