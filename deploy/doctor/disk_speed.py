"""How fast a disk writes and, what every result waits for, how long it takes until a small write has become durable."""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.durable import write_all

_BLOCK_BYTES: Final = 4 << 20
_MOST_BLOCKS: Final = 16
_RECORD_BYTES: Final = 8 << 10
"""About a frame's record in the journal."""
_MOST_SYNCS: Final = 200
_LEAST_SYNCS: Final = 20
_EACH_S: Final = 1.5
"""Longest time of either measurement, but for the call that is under way then."""


@dataclass(frozen=True, slots=True)
class DiskSpeed:
    """What was measured.

    Attributes:
        mb_per_s: Written and made durable, 10^6 bytes.
        p50_ms: Median of a small append and its fdatasync.
        p99_ms: Of the same, the value that 99 % are not above.
        syncs: How many were timed.
    """

    mb_per_s: float
    p50_ms: float
    p99_ms: float
    syncs: int


def measured(folder: Path) -> DiskSpeed:
    """Write 64 MiB at most into a file without a name, which is gone whatever becomes of us.

    Raises:
        OSError: The folder cannot be written in, or is full.
    """
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        fd = file.fileno()
        mb_per_s = _throughput(fd)
        took_ms = sorted(_syncs(fd))
    return DiskSpeed(mb_per_s, _share(took_ms, 0.5), _share(took_ms, 0.99), len(took_ms))


def _throughput(fd: int) -> float:
    block = os.urandom(_BLOCK_BYTES)  # some file systems compress, some keep zeros for free
    began_s, written = time.monotonic(), 0
    while written < _MOST_BLOCKS * _BLOCK_BYTES and time.monotonic() - began_s < _EACH_S:
        write_all(fd, block)
        written += _BLOCK_BYTES
    os.fdatasync(fd)
    return written / 1e6 / max(time.monotonic() - began_s, 1e-6)


def _syncs(fd: int) -> list[float]:
    """Milliseconds of one append after the other."""
    record, began_s = os.urandom(_RECORD_BYTES), time.monotonic()
    took_ms: list[float] = []
    while len(took_ms) < _MOST_SYNCS:
        if len(took_ms) >= _LEAST_SYNCS and time.monotonic() - began_s > _EACH_S:
            break
        before_s = time.monotonic()
        write_all(fd, record)
        os.fdatasync(fd)
        took_ms.append(1e3 * (time.monotonic() - before_s))
    return took_ms


def _share(ascending: list[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
