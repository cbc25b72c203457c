"""What was told, to be read again: the records of a journal folder, of a file of ``watch --json``, or of a daemon.

A daemon's journal may be long and far away, and what is asked for is mostly near its end: it is read in stretches, the
newest first, so that a reader stops when it has what it wants. A folder and a file are one stretch.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from phenostream.daemon.client.control import Control, Stored
from phenostream.daemon.client.records import Record, decode_record
from phenostream.daemon.exports.gone import Gone
from phenostream.daemon.exports.sources import records
from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.security.keys import ClientKeys

_FIRST_STRETCH: Final = 512
"""Records: about what a daemon answers to two questions."""
_GROWTH: Final = 4
"""Of a stretch over the one before it."""
_BEYOND: Final = 2**64 - 1
"""Asked for, no record is given, only where the newest and the oldest are."""

OnBytes = Callable[[int], object]


class Told(Protocol):
    """Records that somebody keeps."""

    def stretches(self, *topics: str) -> Iterator[Iterator[Record]]:
        """Records of these topics: the newest stretch first, in each in order of offsets.

        Read each to its end before the next one is asked for.

        Raises:
            PhenostreamError: They cannot be read.
        """

    def lacks(self) -> list[str]:
        """What was looked for and is not there any more, a line each."""


@contextmanager
def told(where: str, keys: ClientKeys | None, on_bytes: OnBytes) -> Iterator[Told]:
    """Open what was told.

    Args:
        where: A folder or a file, or the control endpoint of a daemon.
        keys: For a daemon on tcp.
        on_bytes: Called with the length of what is read, record by record.
    """
    if "://" not in where:
        yield KeptRecords(Path(where), on_bytes)
        return
    with Control(where, keys=keys) as control:
        yield DaemonRecords(control, on_bytes)


@dataclass(slots=True)
class KeptRecords:
    """Those of a folder or a file."""

    path: Path
    on_bytes: OnBytes
    _gone: Gone = field(default_factory=Gone)
    _losses: list[Loss] = field(default_factory=list)

    def stretches(self, *topics: str) -> Iterator[Iterator[Record]]:
        """All of them at once; see `Told`."""
        yield records(self.path, topics, self._losses.append, self._gone.take, self.on_bytes)

    def lacks(self) -> list[str]:
        """See `Told`."""
        return [*map(str, self._losses), *self._gone.lines()]


@dataclass(slots=True)
class DaemonRecords:
    """Those in the journal of a daemon that runs."""

    control: Control
    on_bytes: OnBytes
    _lacking: list[tuple[int, int]] = field(default_factory=list)
    _oldest: int = 0

    def stretches(self, *topics: str) -> Iterator[Iterator[Record]]:
        """From the newest record there is now, backwards; see `Told`."""
        ends = self.control.get(_BEYOND)
        if ends.newest is None:
            return
        end, size, self._oldest = ends.newest + 1, _FIRST_STRETCH, ends.oldest
        while end > self._oldest:
            begin = max(self._oldest, end - size)
            yield self._between(begin, end, topics)
            end, size = begin, size * _GROWTH

    def lacks(self) -> list[str]:
        """See `Told`."""
        gone = Gone()
        gone.take(0, self._oldest, "removed")
        if not self._lacking:
            return list(gone.lines())
        lost = sum(end - first for first, end in self._lacking)
        first = min(self._lacking)[0]
        return [*gone.lines(), f"{lost} offsets are not there any more, the first of them {first}"]

    def _between(self, begin: int, end: int, topics: Collection[str]) -> Iterator[Record]:
        at = begin
        while at < end:
            batch = self.control.get(at)
            here = [stored for stored in batch.records if stored.offset < end]
            self._note_holes(at, here, min(end, batch.next))
            for stored in here:
                self.on_bytes(len(stored.payload))
                if stored.topic in topics:
                    yield decode_record(stored)
            if batch.next <= at:
                return
            at = batch.next

    def _note_holes(self, begin: int, here: Sequence[Stored], end: int) -> None:
        places = [begin - 1, *(stored.offset for stored in here), end]
        self._lacking += [(a + 1, b) for a, b in pairwise(places) if b - a > 1]
