"""Writes a recording: the exact messages of a source, in order, with their receive times.

The file has its final name from its first byte, and never replaces another. It is complete only by its closing entry,
which repeats the counts, says what is missing and carries the SHA-256 of everything before it: a crash at any instant
leaves a file that reads up to its last whole entry and calls itself INCOMPLETE.
"""

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from phenostream.daemon.client.outgoing import FrameData
from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.recordings.account import Account
from phenostream.daemon.recordings.entry import FORMAT, PREFIX, Buffer, Kind, encode_entry
from phenostream.daemon.recordings.facts import RecordingFacts, facts
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import (
    End,
    FrameHeader,
    FromSource,
    ShotHeader,
    Start,
    decode_from_source,
    encode,
)
from phenostream.engine.errors import BadConfig, BadMessage, PhenostreamError

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MOST_PROBLEMS: Final = 20


class RecordingFull(PhenostreamError):
    """No space for the next entry; the file ends with the last whole one and is INCOMPLETE."""


class RecordingWriter:
    """An open recording; use as a context manager, from one thread.

    Leaving the block because of an error closes the file as INCOMPLETE.
    """

    def __init__(
        self, path: Path, *, level: int = 1, note: str = "", created_utc_ns: int | None = None
    ) -> None:
        """Create the file.

        Args:
            path: Must not exist.
            level: zlib level of the data, 0 (none) to 9.
            note: Free text for people, at most 1000 characters.
            created_utc_ns: Default: the clock now.

        Raises:
            BadConfig: The path exists or cannot be created, or the level is impossible.
        """
        if not 0 <= level <= 9:
            raise BadConfig(f"level: {level}, allowed 0 to 9")
        self.path = path
        self._level = level
        self._account = Account()
        self._dropped: list[str] = []
        self._sha256 = hashlib.sha256()
        self._size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as err:
            raise BadConfig(f"{path}: {(err.strerror or str(err)).lower()}") from err
        opening = {
            "format": FORMAT,
            "created_utc_ns": time.time_ns() if created_utc_ns is None else created_utc_ns,
            "software": f"phenostream {metadata.version('phenostream')}",
            "note": note[:1000],
        }
        try:
            self._append([PREFIX, *encode_entry(Kind.OPENING, pack(opening), None, (0, 0))])
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> "RecordingWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        self.drop(f"the recording was stopped by {kind.__name__}")
        with contextlib.suppress(RecordingFull):  # without its closing entry it is INCOMPLETE too
            self.close()

    @property
    def frames(self) -> int:
        """Frames written."""
        return self._account.frames

    @property
    def problems(self) -> list[str]:
        """Why the recording would be INCOMPLETE if it were closed now."""
        return [*self._dropped, *self._account.problems()]

    def write(
        self, header: bytes, data: Buffer | None, since_start_ns: int, utc_ns: int
    ) -> FromSource:
        """Append one message of a source, exactly as it was received; durable after `sync`.

        Args:
            header: The first part: START, FRAME, SHOT or END.
            data: The second part, of FRAME and SHOT only.
            since_start_ns: Receive time since the recording began, monotonic clock.
            utc_ns: Receive time, wall clock.

        Raises:
            BadMessage: Outside the schema, or not possible at this place of a recording.
            RecordingFull: The disk is full.
        """
        message = decode_from_source(header)
        if isinstance(message, FrameHeader | ShotHeader) != (data is not None):
            raise BadMessage(
                f"{message.type}: data part {'missing' if data is None else 'unasked'}"
            )
        fault = self._account.fault(message)
        if fault is not None:
            raise BadMessage(fault)
        times_ns = (since_start_ns, utc_ns)
        self._append(encode_entry(Kind.MESSAGE, header, data, times_ns, self._level))
        size = 0 if data is None else memoryview(data).nbytes
        self._account.add(message, size, since_start_ns)
        return message

    def drop(self, reason: str) -> None:
        """Something that should be in the recording is not: it will say INCOMPLETE, and this line."""
        if reason not in self._dropped:
            self._dropped.append(reason)

    def sync(self) -> None:
        """Make everything written durable."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Write the closing entry, make the file durable and close it. Harmless when repeated."""
        if self._fd < 0:
            return
        try:
            self._finish()
        finally:
            os.close(self._fd)
            self._fd = -1

    def _finish(self) -> None:
        problems = self.problems
        closing: dict[str, Any] = {
            **self._account.totals(),
            "complete": not problems,
            "problems": [line[:400] for line in problems[:_MOST_PROBLEMS]],
            "sha256": self._sha256.digest(),
        }
        self._append(encode_entry(Kind.CLOSING, pack(closing), None, (0, 0)))
        os.fsync(self._fd)

    def _append(self, parts: Sequence[Buffer]) -> None:
        try:
            for part in parts:
                _write_all(self._fd, part)
        except OSError as err:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            if err.errno not in _NO_SPACE:
                raise
            raise RecordingFull(
                f"{self.path}: {(err.strerror or 'no space').lower()}; "
                f"INCOMPLETE, {self.frames} frames are in it"
            ) from err
        for part in parts:
            self._sha256.update(part)
            self._size += memoryview(part).nbytes


def write_recording(
    path: Path,
    start: Start,
    frames: Iterable[SourceFrame],
    *,
    level: int = 6,
    interval_s: float = 0.1,
    note: str = "",
    created_utc_ns: int | None = None,
) -> RecordingFacts:
    """Write one whole run as if it had been recorded, one frame every `interval_s`.

    The same arguments give the same bytes when `created_utc_ns` is given; frames without a time of their own get one
    from START and the interval.

    Args:
        path: Must not exist.
        start: The run.
        frames: In order; each number once.
        level: zlib level.
        interval_s: Receive time from frame to frame, and from START to the first.
        note: Free text for people.
        created_utc_ns: Default: the clock now.

    Raises:
        BadConfig: The path exists or cannot be created.
        BadMessage: A frame that no source could send.
    """
    step_ns = round(interval_s * 1e9)
    with RecordingWriter(path, level=level, note=note, created_utc_ns=created_utc_ns) as writer:
        writer.write(encode(start), None, 0, start.source_utc_ns)
        since_ns, end = 0, 0
        for frame in frames:
            since_ns += step_ns
            header = _header(start, frame, start.source_utc_ns + since_ns)
            data = _bytes_of(frame.data)
            writer.write(encode(header), data, since_ns, start.source_utc_ns + since_ns)
            end = max(end, frame.frame_seq + 1)
        last = encode(End(run=start.run, n_frames=end))
        writer.write(last, None, since_ns, start.source_utc_ns + since_ns)
    return facts(path, tolerant=False)


def _header(start: Start, frame: SourceFrame, utc_ns: int) -> FrameHeader:
    x_um, y_um, z_um = frame.stage_um if frame.stage_um is not None else (None, None, None)
    return FrameHeader(
        run=start.run,
        frame_seq=frame.frame_seq,
        shape=(len(start.shots), start.height, start.width),
        dtype=start.dtype,
        x_um=x_um,
        y_um=y_um,
        z_um=z_um,
        exposure_ms=frame.exposure_ms,
        source_utc_ns=utc_ns if frame.source_utc_ns is None else frame.source_utc_ns,
    )


def _bytes_of(data: FrameData) -> memoryview:
    held = np.ascontiguousarray(data).data if isinstance(data, np.ndarray) else memoryview(data)
    return held.cast("B")


def _write_all(fd: int, data: Buffer) -> None:
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(fd, view) :]
