"""Where frames that broke their contract are kept, so that a person can look: bounded, the oldest go first.

One frame is two files, `<utc_ns>-<run>-<frame_seq>.frame` (the data as received, one part behind the other) and `.json`
(the reason, and the header and length of every part). The fate of the frame is in the journal; losing these files loses
no account.
"""

import contextlib
import json
import logging
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

from phenostream.daemon.pipeline.entries import Arrival
from phenostream.engine.errors import BadConfig

logger = logging.getLogger(__name__)


MOST_FILES: Final = 100_000
"""Two a frame: small bad frames must not use up the file system's inodes."""


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
        stems = sorted(path.stem for path in directory.glob("*.json"))
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
        description = {
            "run": run,
            "frame_seq": frame_seq,
            "reason": reason,
            "parts": [{"header": part.header, "bytes": part.data.nbytes} for part in parts],
        }
        note = json.dumps(description, indent=1, default=str).encode()
        size = len(note) + sum(part.data.nbytes for part in parts)
        stem = f"{arrival.received_utc_ns:020d}-{run}-{frame_seq}"
        with self._lock:
            if size > self._max_bytes or not self._max_frames:
                self.not_kept += 1
                return
            try:
                while self._bytes + size > self._max_bytes or len(self._held) >= self._max_frames:
                    self._remove_oldest()
                frame, text = self._paths(stem)
                frame.write_bytes(parts[0].data if len(parts) == 1 else _joined(parts))
                text.write_bytes(note)
            except OSError as err:
                self.not_kept += 1
                logger.warning("quarantine: %s not kept: %s", stem, err.strerror)
                self._forget(stem)  # half a frame would take space that nobody counts
                return
            self._held.append((stem, size))
            self._bytes += size

    def _remove_oldest(self) -> None:
        stem, size = self._held.popleft()
        self._bytes -= size
        self.removed += 1
        self._forget(stem)

    def _forget(self, stem: str) -> None:
        for path in self._paths(stem):
            with contextlib.suppress(OSError):
                path.unlink()

    def _paths(self, stem: str) -> tuple[Path, Path]:
        return self._directory / f"{stem}.frame", self._directory / f"{stem}.json"


def _joined(parts: Sequence[Part]) -> bytes:
    return b"".join(part.data for part in parts)


def _size(path: Path) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
