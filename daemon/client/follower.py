"""From messages and journal batches to records, each once and in order: the subscriber without its sockets.

Live messages go in by `take`. While `wanted` is an offset, something before them is missing: ask the journal from there
and give the answer to `absorb`. Finished records wait in `ready`. What the journal steps over is lost for good: it is
told once by `on_gap` and never asked for again.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from phenostream.daemon.client.control import Batch, Stored
from phenostream.daemon.client.errors import JournalReplaced
from phenostream.daemon.client.order import Order
from phenostream.daemon.client.records import Record, decode_record
from phenostream.daemon.client.tally import Tally
from phenostream.daemon.logs import about
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.results import TOPICS, WELCOME_TOPIC, decode_offset
from phenostream.engine.errors import BadMessage

logger = logging.getLogger(__name__)

_ALL: Final = 2**64


@dataclass(frozen=True, slots=True)
class _Mark:
    """A high-water mark: the newest offset before it, and the counts of the open runs up to there."""

    newest: int | None
    runs: Any


class Follower:
    """One subscriber's place and what waits for it.

    Args:
        source: Address, for error lines.
        since: First offset wanted from the journal; None begins with the first live record.
        repairs: Whether the journal can be asked; else every hole is a gap.

    Attributes:
        ready: Records to deliver, in order.
        begin: Offset where the stream begins; None until the first sign of where the journal stands.
        on_gap: Called with (first, last) offset of records that can no longer be had.
        on_missed: Called with (run, n) when n results of a run are known not to have come.
    """

    def __init__(self, source: str, since: int | None, repairs: bool) -> None:
        self.ready: deque[Record] = deque()
        self.begin = since
        self.on_gap: Callable[[int, int], None] = self._log_gap
        self.on_missed: Callable[[str, int], None] = self._log_missed
        self._source = source
        self._repairs = repairs
        self._order = Order(since)
        self._tally = Tally()
        self._waiting: deque[list[bytes]] = deque()
        self._target = None if since is None else _ALL
        self._last: Stored | None = None
        self._checking = False

    @property
    def wanted(self) -> int | None:
        """The offset to ask the journal from; None when nothing is missing."""
        if self._target is None:
            return None
        if self._checking and self._last is not None:
            return self._last.offset
        return self._order.next or 0

    def take(self, parts: list[bytes]) -> None:
        """One message of the results socket.

        Raises:
            BadMessage: It is not of the contract; it counts as delivered.
            JournalReplaced: The daemon's journal is not the one followed so far.
        """
        self._waiting.append(parts)
        self._advance()

    def absorb(self, batch: Batch) -> None:
        """The journal's answer to `wanted`; raises as `take`."""
        wanted, target = self.wanted, self._target
        if wanted is None or target is None:
            return
        self._same_journal(batch.newest)
        self._check_last(batch)
        for stored in batch.records:
            self._give_up_before(stored.offset, target)
            if self._order.missing_before(stored.offset) is not None:
                break  # what lies between the target and here may be waiting
            self._deliver(stored)
        else:
            self._give_up_before(batch.next, target)
        reached = self._order.next or 0
        stuck = not batch.records and batch.next <= wanted
        if stuck or reached > target or reached > (batch.newest or 0):
            self._finish(target, batch.newest)

    def _finish(self, target: int, newest: int | None) -> None:
        """Nothing more is to be had from the journal now: go on with what waits."""
        if (self._order.next or 0) <= target < _ALL:
            if newest is None or newest < target:
                raise self._replaced(newest, target)
            self._give_up_before(target + 1, target)
        self._target = None
        self._advance()

    def _advance(self) -> None:
        while self._waiting and self._target is None:
            try:
                message = self._read(self._waiting[0])
                missing = self._missing_before(message)
            except (BadMessage, JournalReplaced):
                self._waiting.popleft()
                raise
            if missing is not None and self._repairs:
                self._target = missing[1]
                return
            self._waiting.popleft()
            if missing is not None:
                self._lose(*missing)
            self._apply(message)

    def _read(self, parts: list[bytes]) -> Stored | _Mark | None:
        """What a message says; None: a welcome, ours or another subscriber's."""
        if parts == [WELCOME_TOPIC]:
            return None
        topic = parts[0].decode("ascii", "replace")
        if len(parts) != 3 or topic not in TOPICS:
            raise BadMessage(
                f"{self._source}: {len(parts)} parts under {topic[:20]!r}, not a record"
            )
        if topic != "highwater":
            return Stored(topic, decode_offset(parts[1]), parts[2])
        said = unpack_result(parts[2])
        newest = said.get("newest")
        if newest is not None and (not isinstance(newest, int) or newest < 0):
            raise BadMessage(f"{self._source}: highwater newest {newest!r}, expected an offset")
        return _Mark(newest, said.get("runs", {}))

    def _missing_before(self, message: Stored | _Mark | None) -> tuple[int, int] | None:
        """The range that must come first. A mark that is overtaken says nothing, unless nobody else can be asked."""
        if isinstance(message, Stored):
            return self._order.missing_before(message.offset)
        if message is None or (self._repairs and self._order.is_ahead_of(message.newest)):
            return None
        self._same_journal(message.newest)
        return self._order.missing_up_to(message.newest)

    def _apply(self, message: Stored | _Mark | None) -> None:
        if isinstance(message, Stored):
            self._deliver(message)
        elif message is None or self._order.is_ahead_of(message.newest):
            self._doubt()
        else:
            self._count(message)

    def _count(self, mark: _Mark) -> None:
        """Compare what came with what there is, unless replay is ahead of the mark."""
        end = 0 if mark.newest is None else mark.newest + 1
        self._begin_at(end)
        if self._order.next == end:
            for run, missed in self._tally.mark(mark.runs, self.begin):
                self.on_missed(run, missed)

    def _doubt(self) -> None:
        """The daemon may be another one: ask for the last record again, and for where the journal ends now."""
        if self._repairs and self._order.next is not None:
            self._checking = self._last is not None
            self._target = self._order.next - 1

    def _check_last(self, batch: Batch) -> None:
        """The record that was delivered last must still be what the journal holds at its place."""
        if self._checking and self._last is not None and batch.records:
            held = batch.records[0]
            if held.offset == self._last.offset and held != self._last:
                raise JournalReplaced(
                    f"{self._source}: offset {held.offset} holds another record than the one that was seen: "
                    "it is another journal"
                )
        self._checking = False

    def _same_journal(self, newest: int | None) -> None:
        if self._order.is_ahead_of(newest):
            raise self._replaced(newest, self._order.seen)

    def _replaced(self, newest: int | None, seen: int | None) -> JournalReplaced:
        return JournalReplaced(
            f"{self._source}: the journal ends at {newest}, but offset {seen} was seen: "
            "it is another journal"
        )

    def _deliver(self, stored: Stored) -> None:
        self._begin_at(stored.offset)
        if not self._order.accept(stored.offset):
            return
        self._last = stored
        record = decode_record(stored)
        missed = self._tally.take(record)
        self.ready.append(record)
        if missed is not None:
            self.on_missed(*missed)

    def _begin_at(self, offset: int) -> None:
        if self.begin is None:
            self.begin = offset

    def _give_up_before(self, offset: int, target: int) -> None:
        """The journal steps over what is missing before `offset`; beyond `target` that says nothing."""
        missing = self._order.missing_before(min(offset, target + 1))
        if missing is not None:
            self._lose(*missing)

    def _lose(self, first: int, last: int) -> None:
        self._order.skip_to(last + 1)
        self.on_gap(first, last)

    def _log_gap(self, first: int, last: int) -> None:
        logger.warning("%s: records %d to %d were missed", self._source, first, last)

    def _log_missed(self, run: str, n: int) -> None:
        logger.warning(
            "%s: %d results of run %s were not seen", self._source, n, run, extra=about(run)
        )
