"""From messages and journal batches to records, each once and in order: the subscriber without its sockets.

Live messages go in by `take`. While `wanted` is an offset, something before them is missing: ask the journal from there
and give the answer to `absorb`. Finished records wait in `ready`.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from phenostream.daemon.client.control import Batch, Stored
from phenostream.daemon.client.errors import JournalReplaced
from phenostream.daemon.client.order import Order
from phenostream.daemon.client.records import Record, decode_record
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.results import TOPICS, WELCOME_TOPIC, decode_offset
from phenostream.engine.errors import BadMessage

logger = logging.getLogger(__name__)

_ALL: Final = 2**64


class Follower:
    """One subscriber's place and what waits for it.

    Args:
        source: Address, for error lines.
        since: First offset wanted from the journal; None begins with the first live record.
        repairs: Whether the journal can be asked; else every hole is a gap.
    """

    def __init__(self, source: str, since: int | None, repairs: bool) -> None:
        self.ready: deque[Record] = deque()
        self.on_gap: Callable[[int, int], None] = self._log_gap
        self._source = source
        self._repairs = repairs
        self._order = Order(since)
        self._waiting: deque[list[bytes]] = deque()
        self._target = None if since is None else _ALL
        self._doubted = False

    @property
    def wanted(self) -> int | None:
        """The offset to ask the journal from; None when nothing is missing."""
        return None if self._target is None else self._order.next or 0

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
        if batch.oldest > wanted:
            self._lose(wanted, min(batch.oldest, target + 1) - 1)
        for stored in batch.records:
            if self._order.missing_before(stored.offset):
                if stored.offset > target:
                    break  # the journal was cut meanwhile; the next message asks again
                raise BadMessage(
                    f"{self._source}: the journal sent offset {stored.offset}, {self._order.next} was due"
                )
            self._deliver(stored)
        reached = self._order.next or 0
        if not batch.records or reached > target or reached > (batch.newest or 0):
            self._target = None
            if target != _ALL and reached <= target:
                self._lose(reached, target)
            self._advance()

    def _advance(self) -> None:
        while self._waiting and self._target is None:
            stored, missing = self._read(self._waiting[0])
            if missing is not None and self._repairs:
                self._target = missing[1]
                return
            self._waiting.popleft()
            if missing is not None:
                self._lose(*missing)
            if stored is not None:
                self._deliver(stored)
            if (
                self._doubted
            ):  # ask for what comes next, whose answer says where the journal ends now
                self._doubted, self._target = False, (self._order.next or 1) - 1

    def _read(self, parts: list[bytes]) -> tuple[Stored | None, tuple[int, int] | None]:
        """The record in a message, if it is one, and the range that is missing before it."""
        try:
            if parts == [WELCOME_TOPIC]:
                return None, None
            topic = parts[0].decode("ascii", "replace")
            if len(parts) != 3 or topic not in TOPICS:
                raise BadMessage(
                    f"{self._source}: {len(parts)} parts under {topic[:20]!r}, not a record"
                )
            if topic == "highwater":
                return None, self._missing_up_to(unpack_result(parts[2]).get("newest"))
            offset = decode_offset(parts[1])
        except (BadMessage, JournalReplaced):
            self._waiting.popleft()
            raise
        return Stored(topic, offset, parts[2]), self._order.missing_before(offset)

    def _missing_up_to(self, newest: object) -> tuple[int, int] | None:
        if newest is not None and (not isinstance(newest, int) or newest < 0):
            raise BadMessage(f"{self._source}: highwater newest {newest!r}, expected an offset")
        if self._repairs and self._order.is_ahead_of(newest):
            self._doubted = True  # it may be older than what the journal told meanwhile
            return None
        self._same_journal(newest)
        return None if newest is None else self._order.missing_up_to(newest)

    def _same_journal(self, newest: int | None) -> None:
        if self._order.is_ahead_of(newest):
            raise JournalReplaced(
                f"{self._source}: the journal ends at {newest}, but offset {self._order.seen} was seen: "
                "it is another journal"
            )

    def _deliver(self, stored: Stored) -> None:
        if self._order.accept(stored.offset):
            self.ready.append(decode_record(stored))

    def _lose(self, first: int, last: int) -> None:
        self._order.skip_to(last + 1)
        self.on_gap(first, last)

    def _log_gap(self, first: int, last: int) -> None:
        logger.warning("%s: records %d to %d were missed", self._source, first, last)
