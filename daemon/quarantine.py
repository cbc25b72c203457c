"""Where frames that broke their contract are kept, so that a person can look: bounded, the oldest go first.

One frame is two files, `<utc_ns>-<run>-<frame_seq>.frame` (the data as received, one part behind the other) and `.json`
(the reason, the START of its run, when and from where it came, and the header and length of every part). The `.json`
appears whole and last: what a crash leaves without it is removed at the next start. The fate of the frame is in the
journal; losing these files loses no account.
"""

import contextlib
import json
import logging
import os
import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

from phenostream.daemon.logs import about
from phenostream.daemon.pipeline.entries import Arrival
from phenostream.engine.errors import BadConfig

logger = logging.getLogger(__name__)


MOST_FILES: Final = 100_000
"""Two a frame: small bad frames must not use up the file system's inodes."""
STEM: Final = re.compile(r"(?P<utc_ns>\d{20})-(?P<run>[0-9a-f-]{36})-(?P<frame_seq>\d{1,20})")
"""How the files of a frame are called, but for the suffix."""
DATA, NOTE, UNFINISHED = ".frame", ".json", ".part"


class Part(NamedTuple):
    """One message of a frame as it was received: a whole frame has one, shots that came one by one are one each."""

    header: dict[str, Any]
    data: memoryview


class Keeper(Protocol):
    """Where a frame that breaks its contract goes."""

    def keep(self, arrival: Arrival, reason: str, parts: Sequence[Part]) -> None:
        """Keep one frame, or let it go; see `Quarantine.keep`."""


class Quarantine:
    """A bounded directory; safe from any thread.

    Attributes:
        removed: Frames deleted since the start to make room.
        not_kept: Frames too large for the bound, or that the disk refused.
    """

    def __init__(self, directory: Path, max_bytes: int, max_files: int = MOST_FILES) -> None:
        """Open the directory; what earlier processes left in it counts against the bounds.

        Raises:
            BadConfig: The directory cannot be made or written in.
        """
        self.removed = 0
        self.not_kept = 0
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_frames = max_files // 2
        self._lock = Lock()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as err:
            raise BadConfig(f"quarantine.directory: {directory}: {err.strerror}") from err
        if not os.access(directory, os.W_OK | os.X_OK):
            raise BadConfig(f"quarantine.directory: {directory}: not writable")
        stems = self._swept()
        self._held = deque((stem, sum(_size(p) for p in self._paths(stem))) for stem in stems)
        self._bytes = sum(size for _, size in self._held)

    def __len__(self) -> int:
        return len(self._held)

    def keep(self, arrival: Arrival, reason: str, parts: Sequence[Part]) -> None:
        """Write one frame; a disk that refuses is logged and counted, never raised.

        Args:
            arrival: Which frame, and when it came.
            reason: ``code: text``.
            parts: What there is of it, in the order it came.
        """
        run, frame_seq = arrival.start.run, arrival.frame_seq
        note = json.dumps(_described(arrival, reason, parts), indent=1, default=str).encode()
        size = len(note) + sum(part.data.nbytes for part in parts)
        stem = f"{arrival.received_utc_ns:020d}-{run}-{frame_seq}"
        with self._lock:
            if size > self._max_bytes or not self._max_frames:
                self.not_kept += 1
                return
            try:
                while self._bytes + size > self._max_bytes or len(self._held) >= self._max_frames:
                    self._remove_oldest()
                self._write(stem, [part.data for part in parts], note)
            except OSError as err:
                self.not_kept += 1
                subject = about(run, arrival.start.instrument, frame_seq)
                logger.warning("quarantine: %s not kept: %s", stem, err.strerror, extra=subject)
                self._forget(stem)  # half a frame would take space that nobody counts
                return
            self._held.append((stem, size))
            self._bytes += size

    def _write(self, stem: str, data: Sequence[memoryview], note: bytes) -> None:
        frame, text = self._paths(stem)
        unfinished = text.with_suffix(UNFINISHED)
        _write_new(frame, data)
        _write_new(unfinished, [memoryview(note)])
        unfinished.rename(text)

    def _swept(self) -> list[str]:
        """The frames that are whole, oldest first; what a crash left of others is removed."""
        files: dict[str, set[str]] = {}
        for path in self._directory.iterdir():
            if STEM.fullmatch(path.stem) and path.suffix in (DATA, NOTE, UNFINISHED):
                files.setdefault(path.stem, set()).add(path.suffix)
        for stem, suffixes in files.items():
            if not {DATA, NOTE} <= suffixes:
                self._forget(stem)
        return sorted(stem for stem, suffixes in files.items() if {DATA, NOTE} <= suffixes)

    def _remove_oldest(self) -> None:
        stem, size = self._held.popleft()
        self._bytes -= size
        self.removed += 1
        self._forget(stem)

    def _forget(self, stem: str) -> None:
        frame, text = self._paths(stem)
        for path in (text, frame, text.with_suffix(UNFINISHED)):
            with contextlib.suppress(OSError):
                path.unlink()

    def _paths(self, stem: str) -> tuple[Path, Path]:
        return self._directory / f"{stem}{DATA}", self._directory / f"{stem}{NOTE}"


def _described(arrival: Arrival, reason: str, parts: Sequence[Part]) -> dict[str, Any]:
    """What the note says; `quarantined.Note` reads it."""
    return {
        "run": arrival.start.run,
        "frame_seq": arrival.frame_seq,
        "reason": reason,
        "source": arrival.source,
        "source_utc_ns": arrival.source_utc_ns,
        "stage_um": arrival.stage_um,
        "exposure_ms": arrival.exposure_ms,
        "start": arrival.start.model_dump(mode="json"),
        "parts": [{"header": part.header, "bytes": part.data.nbytes} for part in parts],
    }


def _write_new(path: Path, parts: Sequence[memoryview]) -> None:
    """A file that only its owner may read; one of the same name is replaced."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(fd, "wb", buffering=0) as file:
        for part in parts:
            view = part.cast("B")
            while view:
                view = view[file.write(view) :]


def _size(path: Path) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
