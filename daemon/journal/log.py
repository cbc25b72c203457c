"""The append-only journal of a daemon: segments in one directory, offsets from 0 without a gap.

`append` writes, `sync` makes durable; only what is durable is counted by `newest` and given to readers. One thread
appends and syncs; any thread may read. At opening, every record is checked and shown to the owner once; a torn tail of
the last segment is cut and reported, damage to anything that was promised refuses the journal.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from phenostream.daemon.journal.inspection import gap, judge_end, refuse
from phenostream.daemon.journal.record import HEADER, Record, encode_record
from phenostream.daemon.journal.segment import (
    Segment,
    list_segments,
    scan,
    segment_path,
)
from phenostream.daemon.wire.results import Topic
from phenostream.engine.errors import PhenostreamError

logger = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 64 << 20
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class JournalFull(PhenostreamError):
    """No space for the records; the journal is as it was before the call, which may be repeated."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening found: records checked, and bytes of a torn tail that were cut."""

    records: int
    cut_bytes: int


class Journal:
    """An open journal; `close` it. The caller holds a lock on the directory.

    Attributes:
        recovery: What was found at opening.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int = SEGMENT_BYTES,
        on_record: Callable[[Record], None] | None = None,
    ) -> None:
        """Open or create the journal in `directory`.

        Args:
            directory: Made with mode 0700 if it is not there.
            segment_bytes: A segment is followed by a new one when it has reached this size.
            on_record: Sees every record in order before the journal is open.

        Raises:
            BadRecording: A record that was promised is damaged or gone: names the file and the position.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = Lock()
        self._segments = list_segments(directory)
        cut = self._recover(on_record or (lambda record: None))
        if not self._segments:
            self._create(0)
        self._fd = os.open(self._segments[-1].path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if cut:
            os.ftruncate(self._fd, self._segments[-1].size)
        os.fsync(self._fd)
        self._durable = self._segments[-1].end
        self.recovery = Recovery(self._durable - self._segments[0].first, cut)

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
        parts = [part for record in records for part in encode_record(record, self._durable)]
        try:
            _write_all(self._fd, b"".join(parts))
        except OSError as err:
            if err.errno not in _NO_SPACE:
                raise
            os.ftruncate(self._fd, segment.size)
            raise JournalFull(f"{segment.path}: {os.strerror(err.errno or 0)}") from err
        with self._lock:
            for record in records:
                segment.grow(HEADER.size + len(record.payload))
        return records

    def sync(self) -> None:
        """Make everything appended durable; on return `newest` includes it."""
        os.fdatasync(self._fd)
        self._durable = self._segments[-1].end

    def read(self, since: int) -> Iterator[Record]:
        """Durable records from `since` on, in order; ends at what is durable when it gets there."""
        with self._lock:
            segments = [s for s in self._segments if s.end > since or s is self._segments[-1]]
        for segment in segments:
            with self._lock:
                start = segment.position_near(since)
            for record, _ in scan(segment, start):
                if record.offset >= self._durable:
                    return
                if record.offset >= since:
                    yield record

    def close(self) -> None:
        """Close the file; what was not synced stays unpromised."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _recover(self, on_record: Callable[[Record], None]) -> int:
        """Scan all segments; the number of bytes to cut from the last one."""
        for before, segment in zip([None, *self._segments], self._segments, strict=False):
            refuse(gap(before, segment))
            for record, length in scan(segment):
                segment.grow(length)
                on_record(record)
            damage, excess = judge_end(segment, last=segment is self._segments[-1])
            refuse(damage)
            if not excess:
                continue
            logger.warning(
                "%s: torn tail after offset %d: %d bytes were never promised and are cut",
                segment.path,
                segment.end - 1,
                excess,
            )
            return excess
        return 0

    def _rotate_if_full(self) -> None:
        if self._segments[-1].size < self._segment_bytes:
            return
        self.sync()
        try:
            self._create(self.next_offset)
        except OSError as err:
            if err.errno not in _NO_SPACE:
                raise
            raise JournalFull(f"{self._directory}: {os.strerror(err.errno or 0)}") from err
        os.close(self._fd)
        self._fd = os.open(self._segments[-1].path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def _create(self, first: int) -> None:
        path = segment_path(self._directory, first)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _sync_directory(self._directory)
        except OSError:
            path.unlink()  # an empty file: the next try must be able to make it
            raise
        with self._lock:
            self._segments.append(Segment(path, first, first))


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
