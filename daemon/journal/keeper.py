"""The keeper's thread: footers, checkpoints and retention, so that the commit thread waits for none of them.

Each of them may fail on a full disk: what there was before stays, the fault is told, and it is tried again until it
works. A segment is removed only when two checkpoints on disk remember what was in it: either may be lost. What a start
from a checkpoint did not read is looked over for damage meanwhile, little by little.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Any, Final

from phenostream.daemon.health import Health
from phenostream.daemon.journal.checkpoint import (
    Checkpoint,
    mark_removed,
    remembered,
    write_checkpoint,
)
from phenostream.daemon.journal.durable import is_full, remove_partial, sync_directory
from phenostream.daemon.journal.footer import Footer, hash_file, remove_segment, write_footer
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.retention import Limits, removable
from phenostream.daemon.journal.segment import Segment

logger = logging.getLogger(__name__)

FAULT: Final = "journal_keeping"
_WAKE_S: Final = 0.4
_RETRY_S: Final = 2.0
_LOOK_S: Final = 0.05
"""Of every wait, for looking over what the start did not read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A checkpoint that is yet to be put into plain values, which the keeper's thread does."""

    checkpoint: Checkpoint
    state: Callable[[], dict[str, Any]]


class Keeper:
    """One per journal; `run` is the body of its thread, all else is for the commit thread."""

    def __init__(self, directory: Path, journal: Journal, limits: Limits, health: Health) -> None:
        """Nothing is written before `run`."""
        self._directory = directory
        self._journal = journal
        self._limits = limits
        self._health = health
        self._condition = Condition()
        self._next: Snapshot | None = None
        self._finishing = self._aborted = False
        self._covered = 0

    def offer(self, snapshot: Snapshot) -> None:
        """Have it written soon; it takes the place of one that still waits."""
        with self._condition:
            self._next = snapshot
            self._condition.notify()

    def finish(self) -> None:
        """Have what was offered written, and end."""
        with self._condition:
            self._finishing = True
            self._condition.notify()

    def abort(self) -> None:
        """End without writing."""
        with self._condition:
            self._aborted = True
            self._condition.notify()

    def run(self, beat: Callable[[], None]) -> None:
        """Work until `finish` or `abort`.

        Raises:
            OSError: The disk failed other than by being full.
        """
        remove_partial(self._directory)
        held: Snapshot | None = None
        retry_s = 0.0
        unread = self._journal.look_over()
        while True:
            _spend(_LOOK_S, unread, beat)
            with self._condition:
                if self._next is None and not self._finishing and not self._aborted:
                    self._condition.wait(_WAKE_S)
                held, self._next = self._next or held, None
                finishing, aborted = self._finishing, self._aborted
            if aborted:
                return
            if finishing or time.monotonic() >= retry_s:
                if self._tried(held, beat):
                    held = None
                else:
                    retry_s = time.monotonic() + _RETRY_S
            if finishing:
                return

    def _tried(self, snapshot: Snapshot | None, beat: Callable[[], None]) -> bool:
        """Do what is to be done; False where the disk is full."""
        try:
            for segment in self._journal.sealed():
                if not segment.has_footer:
                    self._seal(segment, beat)
                    beat()
            if snapshot is not None:
                plain, one = snapshot.state(), snapshot.checkpoint
                write_checkpoint(
                    self._directory, Checkpoint(one.end, one.segments, one.index, plain)
                )
                self._covered = remembered(self._directory)
            self._remove_old(beat)
        except OSError as err:
            if not is_full(err):
                raise
            if self._health.degrade(FAULT, f"{self._directory}: {os.strerror(err.errno or 0)}"):
                logger.error("journal: footers and checkpoints wait for space: %s", err)
            return False
        if self._health.recover(FAULT):
            logger.warning("journal: footers and checkpoints are written again")
        return True

    def _seal(self, segment: Segment, beat: Callable[[], None]) -> None:
        if segment.damaged or segment.path.stat().st_size != segment.size:
            segment.has_footer = True  # what is damaged has none, ever
            return
        written = segment.digest
        sha256 = written.hexdigest() if written else hash_file(segment.path, segment.size, beat)
        index = tuple(segment.index)
        write_footer(segment.path, Footer(segment.first, segment.end, segment.size, sha256, index))
        segment.digest, segment.has_footer = None, True

    def _remove_old(self, beat: Callable[[], None]) -> None:
        before = removable(self._journal.facts()[1], self._directory, self._limits, self._covered)
        if before is None:
            return
        mark_removed(self._directory, before)
        for segment in self._journal.remove_oldest(before):
            remove_segment(segment.path)
            beat()  # the first time under a lower limit there may be a thousand
            logger.warning(
                "journal: retention removed offsets %d to %d (%d bytes, %s)",
                segment.first,
                segment.end - 1,
                segment.size,
                segment.path.name,
            )
        sync_directory(self._directory)


def _spend(seconds: float, steps: Iterator[None], beat: Callable[[], None]) -> None:
    """Take steps for about so long, at least one."""
    until_s = time.monotonic() + seconds
    beat()
    for _ in steps:
        beat()
        if time.monotonic() >= until_s:
            return
