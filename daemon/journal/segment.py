"""One journal file, `<first offset, 20 digits>.journal`: its place among the others and where its records lie.

`walk` reads it; `log` knows how files follow each other.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.walk import Limit, Place, Torn, Whole, walk
from phenostream.engine.errors import BadRecording

SUFFIX: Final = ".journal"
_DIGITS: Final = 20
_INDEX_STEP_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Segment:
    """One file.

    Attributes:
        first: Offset of its first record.
        end: Offset after its last record, be that whole or lost.
        size: Bytes up to there.
        damaged: Whether something in it is known to be lost.
        digest: SHA-256 of its bytes as they were written; None where another process wrote some of them.
        has_footer: Whether it needs none any more.
        index: (offset, position) about every MiB, ascending; complete up to `indexed`.
        indexed: Where the next entry may be made.
    """

    path: Path
    first: int
    end: int
    size: int = 0
    damaged: bool = False
    digest: "hashlib._Hash | None" = None
    has_footer: bool = False
    index: list[Place] = field(default_factory=list)
    indexed: int = 0

    def grow(self, length: int) -> None:
        """Account for one more record of `length` bytes, header included."""
        self.note(Place(self.end, self.size))
        self.end += 1
        self.size += length

    def meet(self, found: Whole | Loss) -> None:
        """Account for what was read at its end."""
        if isinstance(found, Loss):
            self.damaged = True
            self.end, self.size = found.end, found.until_byte
        else:
            self.note(Place(self.end, self.size))
            self.end, self.size = found.after

    def note(self, place: Place) -> None:
        """Index a record if the last indexed one is a MiB away; places are noted in order, some of them twice."""
        if place.byte >= self.indexed:
            self.index.append(place)
            self.indexed = place.byte + _INDEX_STEP_BYTES

    def position_near(self, offset: int) -> Place:
        """An indexed record at or before `offset`."""
        best = Place(self.first, 0)
        for entry in self.index:
            if entry.offset > offset:
                break
            best = entry
        return best


def segment_path(directory: Path, first: int) -> Path:
    """Where the segment that starts with `first` lives."""
    return directory / f"{first:0{_DIGITS}d}{SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """The segments of a directory in order, not yet read.

    Raises:
        BadRecording: A ``.journal`` file whose name is no offset.
    """
    segments = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        if not (path.stem.isdigit() and len(path.stem) == _DIGITS):
            raise BadRecording(f"{path}: not a journal segment name, expected {_DIGITS} digits")
        segments.append(Segment(path, int(path.stem), int(path.stem)))
    return segments


def walk_segments(
    segments: list[Segment], floor: int = 0
) -> Iterator[tuple[Segment, Whole | Loss | Torn]]:
    """Everything that follows what the segments account for already; they grow as it is given out.

    Args:
        segments: In order; a file that is gone by the time it is read gives nothing.
        floor: Offsets below were promised, whoever says so.

    Raises:
        BadRecording: Two files claim the same offset.
    """
    followers: list[Segment | None] = [*segments[1:], None]
    for segment, follower in zip(segments, followers, strict=False):
        limit = Limit(None if follower is None else follower.first, floor=floor)
        try:
            for found in walk(segment.path, Place(segment.end, segment.size), limit):
                if not isinstance(found, Torn):
                    segment.meet(found)
                yield segment, found
        except FileNotFoundError:
            continue
