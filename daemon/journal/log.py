"""The append-only journal of a daemon: segments in one directory, offsets from 0 without a gap.

`append` writes, `sync` makes durable; only what is durable is counted by `newest` and given to readers. One thread
appends and syncs; any thread may read. At opening, every record is checked and shown to the owner once; a torn tail of
the last segment is cut and reported. Where something that was promised is damaged, now or later, the loss is reported,
the rest is kept and read, and no lost offset is ever given to another record.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from phenostream.daemon.journal.checkpoint import Checkpoint, KnownSegment, removed_before
from phenostream.daemon.journal.durable import is_full, sync_directory, sync_way_to, write_all
from phenostream.daemon.journal.footer import (
    footer_path,
    hash_file,
    read_footer,
    remove_segment,
)
from phenostream.daemon.journal.loss import Loss, describe_losses
from phenostream.daemon.journal.record import HEADER, Record, encode_record
from phenostream.daemon.journal.segment import (
    Segment,
    list_segments,
    segment_path,
    walk_segments,
)
from phenostream.daemon.journal.walk import Limit, Place, Torn, Whole, walk
from phenostream.daemon.wire.results import Topic
from phenostream.engine.errors import PhenostreamError

logger = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 64 << 20
_STEP: Final = 64
"""Records that are looked over in one step."""


class JournalFull(PhenostreamError):
    """No space for the records; the journal is as it was before the call, which may be repeated."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening found: whole records, bytes of a torn tail that were cut, and what is lost."""

    records: int
    cut_bytes: int
    losses: tuple[Loss, ...] = ()


class Journal:
    """An open journal; `close` it. The caller holds a lock on the directory.

    Attributes:
        recovery: What was found at opening.
        on_loss: Called with everything that is known to be lost, in one line, when a reader finds more of it.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int = SEGMENT_BYTES,
        on_record: Callable[[Record], None] | None = None,
        known: Checkpoint | None = None,
    ) -> None:
        """Open or create the journal in `directory`.

        Args:
            directory: Made with mode 0700 if it is not there.
            segment_bytes: A segment is followed by a new one when it has reached this size.
            on_record: Sees every whole record in order, from the end of `known` on, before the journal is open.
            known: Where to begin: what is before it is not read, but where it does not look as it did.

        Raises:
            BadRecording: A file that belongs to no journal, or two that claim the same offset: names the file.
            OSError: The directory or a file cannot be read or written.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_way_to(directory)
        self.on_loss: Callable[[str], object] = lambda told: None
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = Lock()
        self._losses: dict[tuple[Path, int], Loss] = {}
        self._spared: list[tuple[Segment, Limit]] = []
        self._segments = _wanted(directory, list_segments(directory))
        self._floor = known.end if known is not None else 0
        if known is not None:
            self._take_over(known)
        self.recovery = self._recover(on_record or (lambda record: None))
        self._fd = os.open(self._segments[-1].path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if self.recovery.cut_bytes:
            os.ftruncate(self._fd, self._segments[-1].size)
        os.fsync(self._fd)
        self._durable = self._segments[-1].end
        self._durable_bytes = self._segments[-1].size

    @property
    def next_offset(self) -> int:
        """Offset the next record will get."""
        return self._segments[-1].end

    @property
    def newest(self) -> int | None:
        """Offset of the newest durable record, or None."""
        return self._durable - 1 if self._durable else None

    @property
    def oldest(self) -> int:
        """Offset of the oldest record held (or of the first to come)."""
        return self._segments[0].first

    @property
    def newest_segment(self) -> int:
        """Offset of the first record of the segment that is written now."""
        return self._segments[-1].first

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Everything that is known to be lost, in the order of the offsets."""
        with self._lock:
            return tuple(sorted(self._losses.values(), key=lambda loss: loss.first))

    def append(self, items: Sequence[tuple[Topic, bytes]]) -> list[Record]:
        """Write records behind each other; they are durable after `sync`.

        Raises:
            JournalFull: Nothing of this call is kept.
            OSError: The disk failed; the journal must not be used any more.
        """
        self._rotate_if_full()
        segment = self._segments[-1]
        records = [
            Record(segment.end + i, topic, payload) for i, (topic, payload) in enumerate(items)
        ]
        data = b"".join(part for one in records for part in encode_record(one, self._durable))
        try:
            write_all(self._fd, data)
        except OSError as err:
            if not is_full(err):
                raise
            os.ftruncate(self._fd, segment.size)
            raise JournalFull(f"{segment.path}: {os.strerror(err.errno or 0)}") from err
        if segment.digest is not None:
            segment.digest.update(data)
        with self._lock:
            for record in records:
                segment.grow(HEADER.size + len(record.payload))
        return records

    def sync(self) -> None:
        """Make everything appended durable; on return `newest` includes it."""
        os.fdatasync(self._fd)
        with self._lock:
            self._durable = self._segments[-1].end
            self._durable_bytes = self._segments[-1].size

    def read(self, since: int) -> Iterator[Record]:
        """Durable records from `since` on, in order; ends at what was durable when it came to the newest segment.

        What is lost is stepped over, and reported if nobody knew.
        """
        with self._lock:
            segments = [s for s in self._segments if s.end > since or s is self._segments[-1]]
        for segment in segments:
            try:
                yield from self._read_segment(segment, since)
            except FileNotFoundError:
                continue  # removed meanwhile, or gone: what was in it is lost

    def facts(self) -> tuple[int, tuple[KnownSegment, ...], tuple[Place, ...]]:
        """What a checkpoint keeps of the journal: where what is durable ends, the segments, the newest's index."""
        with self._lock:
            *sealed, newest = self._segments
            known = [KnownSegment(s.first, s.end, s.size, s.damaged) for s in sealed]
            known.append(
                KnownSegment(newest.first, self._durable, self._durable_bytes, newest.damaged)
            )
            index = tuple(place for place in newest.index if place.offset < self._durable)
            return self._durable, tuple(known), index

    def sealed(self) -> list[Segment]:
        """The segments that are followed by another, oldest first; nothing is appended to them any more."""
        with self._lock:
            return self._segments[:-1]

    def look_over(self) -> Iterator[None]:
        """Look for damage in what the checkpoint spared reading, in small steps; it is reported as a reader does."""
        for segment, limit in self._spared:
            try:
                footer = read_footer(segment.path)
                size = footer.size if footer is not None else -1
                if footer and size == limit.byte and hash_file(segment.path, size) == footer.sha256:
                    yield
                    continue
                for number, found in enumerate(walk(segment.path, Place(segment.first, 0), limit)):
                    if isinstance(found, Loss):
                        self._report(found, segment)
                    if number % _STEP == 0:
                        yield
            except FileNotFoundError:
                continue  # removed meanwhile
        self._spared = []

    def remove_oldest(self, before: int) -> list[Segment]:
        """Let go of the sealed segments that end at `before` or earlier: their files may be removed then."""
        with self._lock:
            gone = [segment for segment in self._segments[:-1] if segment.end <= before]
            self._segments = self._segments[len(gone) :]
            paths = {segment.path for segment in gone}
            self._losses = {key: one for key, one in self._losses.items() if one.path not in paths}
        return gone

    def close(self) -> None:
        """Close the file; what was not synced stays unpromised."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read_segment(self, segment: Segment, since: int) -> Iterator[Record]:
        if not segment.index and segment.has_footer:
            footer = read_footer(segment.path)
            segment.index = list(footer.index) if footer is not None else []
        with self._lock:
            start = segment.position_near(since)
            newest = segment is self._segments[-1]
            limit = Limit(
                *((self._durable, self._durable_bytes) if newest else (segment.end, segment.size))
            )
        for found in walk(segment.path, start, limit):
            if isinstance(found, Loss):
                self._report(found, segment)
                continue
            entry = found.entry if isinstance(found, Whole) else None
            if isinstance(entry, Record) and entry.offset >= since:
                yield entry

    def _report(self, loss: Loss, segment: Segment) -> None:
        """A reader came upon damage."""
        with self._lock:
            new = (loss.path, loss.byte) not in self._losses
            self._losses[loss.path, loss.byte] = loss
            segment.damaged = True
        if new:
            logger.error("journal: %s", loss)
            self.on_loss(describe_losses(self.losses))

    def _recover(self, on_record: Callable[[Record], None]) -> Recovery:
        """Read all segments; a new one is begun where the end of the newest is lost."""
        records = cut = 0
        found: Whole | Loss | Torn | None = None
        for segment in self._segments:
            segment.has_footer = footer_path(segment.path).exists()
        for segment, found in walk_segments(self._segments, self._floor):
            if isinstance(found, Loss):
                self._note(found)
            elif isinstance(found, Torn):
                cut = found.length
                logger.warning(
                    "%s: torn tail after offset %d: %d bytes were never promised and are cut",
                    segment.path,
                    segment.end - 1,
                    cut,
                )
            elif isinstance(found.entry, Record) and found.entry.offset >= self._floor:
                records += 1
                on_record(found.entry)
        newest = self._segments[-1] if self._segments else None
        if newest is None:
            os.close(self._create(self._floor))
        elif isinstance(found, Loss) and newest.damaged and newest.end == found.end:
            os.close(self._create(newest.end))
        return Recovery(records, cut, self.losses)

    def _take_over(self, known: Checkpoint) -> None:
        """Account for the segments that are as a checkpoint knew them; the others are read again."""
        there = {segment.first: segment for segment in self._segments}
        oldest = self._segments[0].first if self._segments else known.end
        for one in known.segments:
            segment, newest = there.get(one.first), one is known.segments[-1]
            if segment is not None:
                size = segment.path.stat().st_size
                if not one.damaged and (size >= one.size if newest else size == one.size):
                    segment.end, segment.size = one.end, one.size
                    segment.index = list(known.index) if newest else []
                    segment.indexed = one.size
                    self._spared.append((segment, Limit(one.end, one.size)))
            elif removed_before(self._directory) <= one.first < min(oldest, one.end):
                path = segment_path(self._directory, one.first)
                self._note(Loss(path, 0, 0, one.first, one.end))

    def _note(self, loss: Loss) -> None:
        self._losses[loss.path, loss.byte] = loss
        logger.error("journal: %s", loss)

    def _rotate_if_full(self) -> None:
        if self._segments[-1].size < self._segment_bytes:
            return
        self.sync()
        try:
            fd = self._create(self.next_offset)
        except OSError as err:
            if not is_full(err):
                raise
            raise JournalFull(f"{self._directory}: {os.strerror(err.errno or 0)}") from err
        os.close(self._fd)
        self._fd = fd

    def _create(self, first: int) -> int:
        """Begin a segment; its descriptor, opened while the last one still is, so that no other can take its place."""
        path = segment_path(self._directory, first)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600)
        try:
            sync_directory(self._directory)
        except OSError:
            os.close(fd)
            path.unlink()  # an empty file: the next try must be able to make it
            raise
        with self._lock:
            self._segments.append(Segment(path, first, first, digest=hashlib.sha256()))
            self._durable, self._durable_bytes = first, 0
        return fd


def _wanted(directory: Path, segments: list[Segment]) -> list[Segment]:
    """The segments but for those that retention was about to remove when the last process ended."""
    before = removed_before(directory)
    if all(segment.first != before for segment in segments):
        return segments
    for segment in segments:
        if segment.first < before:
            remove_segment(segment.path)
    sync_directory(directory)
    return [segment for segment in segments if segment.first >= before]
