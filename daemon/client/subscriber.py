"""The Python SDK for results: every record once and in order, also those that were published while you were away.

Subscribes first, then asks the journal for what is missing, then follows live. Everything runs in the caller's thread,
inside the iteration; the socket is made, used and closed there. Arrays of a record are read-only views of its bytes and
stay valid as long as you keep them.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Self

import zmq
import zmq.asyncio

from phenostream.daemon.client.control import Control, Stored
from phenostream.daemon.client.errors import JournalReplaced, TimedOut, Unreachable
from phenostream.daemon.client.order import Order
from phenostream.daemon.socket_options import Context, bounded
from phenostream.daemon.wire.codec import MAX_RESULT_BYTES, unpack_result
from phenostream.daemon.wire.results import (
    TOPICS,
    WELCOME_TOPIC,
    FrameRecord,
    decode_frame,
    decode_offset,
)
from phenostream.engine.errors import BadMessage

_SLICE_MS: Final = 250
_QUEUED: Final = 10_000
_SUBSCRIPTIONS_QUEUED: Final = 100
"""Subscriptions are messages too: a send high-water mark below their number would drop some."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the journal, decoded.

    Attributes:
        topic: ``result``, ``summary`` or ``status``.
        offset: Its place in the journal.
        body: A `FrameRecord` for a result, else the record's map.
    """

    topic: str
    offset: int
    body: FrameRecord | dict[str, Any]


class Subscriber:
    """Follows the results of one daemon; a context manager, iterable with `for` or `async for`.

    `on_gap(first, last)` is called for offsets that can no longer be had; without a control endpoint that is every gap.

    Args:
        results_url: The daemon's results endpoint.
        control_url: Its control endpoint: gaps are then repaired from the journal.
        since: First offset wanted; needs `control_url`. None begins with what is published from now on.
        connect_timeout_s: How long to wait for the daemon's word that the subscription stands.
        silence_timeout_s: Longest silence (a living daemon speaks every second); None waits for ever, also across a
            restart of the daemon.
    """

    def __init__(
        self,
        results_url: str,
        control_url: str | None = None,
        since: int | None = None,
        *,
        connect_timeout_s: float = 10.0,
        silence_timeout_s: float | None = None,
    ) -> None:
        if since is not None and control_url is None:
            raise BadMessage(f"since {since}: needs the control endpoint to read the journal from")
        self.results_url = results_url
        self.control_url = control_url
        self.on_gap: Callable[[int, int], None] = lambda first, last: None
        self._connect_timeout_s = connect_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._since = since
        self._order = Order(since)
        self._ready: deque[Record] = deque()
        self._early: deque[list[bytes]] = deque()
        self._subscribed = False
        self._resources = ExitStack()
        self._socket: zmq.Socket[bytes] | None = None
        self._control: Control | None = None

    def __enter__(self) -> Self:
        """Connect and subscribe; `wait_subscribed` tells when that has taken effect."""
        context: Context = zmq.Context()
        self._resources.callback(context.term)
        socket = bounded(context.socket(zmq.SUB), _SUBSCRIPTIONS_QUEUED, MAX_RESULT_BYTES)
        self._resources.callback(socket.close, 0)
        socket.setsockopt(zmq.RCVHWM, _QUEUED)
        socket.connect(self.results_url)
        for topic in TOPICS:
            socket.subscribe(topic)
        socket.subscribe(WELCOME_TOPIC)  # last: its answer proves that the others hold
        self._socket = socket
        if self.control_url is not None:
            self._control = self._resources.enter_context(Control(self.control_url))
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self._socket = self._control = None
        self._resources.close()

    def wait_subscribed(self) -> None:
        """Return when nothing published from now on can be missed.

        Raises:
            Unreachable: No daemon said so within `connect_timeout_s`.
        """
        deadline = time.monotonic() + self._connect_timeout_s
        socket = self._open()
        while not self._subscribed:
            left = deadline - time.monotonic()
            if left <= 0 or not socket.poll(int(1000 * left) + 1):
                raise Unreachable(
                    f"{self.results_url}: no daemon publishes there ({self._connect_timeout_s:g} s)"
                )
            self._early.append(socket.recv_multipart())
            self._subscribed = self._early[-1] == [WELCOME_TOPIC]

    def __iter__(self) -> Iterator[Record]:
        """Records in order of their offsets, each once, for ever.

        Raises:
            Unreachable: No daemon is there.
            TimedOut: Silence for `silence_timeout_s`.
            JournalReplaced: The daemon came back with a journal that is shorter than what was delivered.
            BadMessage: A record that breaks the contract.
        """
        self._begin()
        heard_s = time.monotonic()
        while True:
            while self._ready:
                yield self._ready.popleft()
            if self._open().poll(_SLICE_MS):
                heard_s = time.monotonic()
                self._take(self._open().recv_multipart())
            else:
                self._check_silence(heard_s)

    async def __aiter__(self) -> AsyncIterator[Record]:
        """As `__iter__`, without blocking the event loop while nothing comes (a repair blocks for milliseconds)."""
        await asyncio.to_thread(self._begin)
        heard_s = time.monotonic()
        waiting: zmq.asyncio.Socket = zmq.asyncio.Socket.shadow(self._open())
        while True:
            while self._ready:
                yield self._ready.popleft()
            if await waiting.poll(_SLICE_MS):
                heard_s = time.monotonic()
                self._take(self._open().recv_multipart())
            else:
                self._check_silence(heard_s)

    def until_end(self) -> Iterator[Record]:
        """Records up to the end of a run, and on while other runs that were seen are still open."""
        open_runs: set[str] = set()
        for record in self:
            meta = record.body.meta if isinstance(record.body, FrameRecord) else record.body
            run = str(meta.get("run"))
            ended = record.topic == "status" and meta.get("event") == "run_ended"
            if ended:
                open_runs.discard(run)
            elif record.topic != "summary":
                open_runs.add(run)
            yield record
            if ended and not open_runs:
                return

    def _begin(self) -> None:
        self.wait_subscribed()
        if self._since is not None:
            self._fetch(None)
        while self._early:
            self._take(self._early.popleft())

    def _open(self) -> "zmq.Socket[bytes]":
        if self._socket is None:
            raise BadMessage("subscriber: use it inside `with`")
        return self._socket

    def _check_silence(self, heard_s: float) -> None:
        limit_s = self._silence_timeout_s
        if limit_s is not None and time.monotonic() - heard_s > limit_s:
            raise TimedOut(f"{self.results_url}: silent for {limit_s:g} s")

    def _take(self, parts: list[bytes]) -> None:
        """One message of the results socket: deliver it, after what is missing before it."""
        if parts == [WELCOME_TOPIC]:
            return
        if len(parts) != 3 or parts[0].decode(errors="replace") not in TOPICS:
            raise BadMessage(f"{self.results_url}: a message of {len(parts)} parts, not of ours")
        topic = parts[0].decode()
        if topic == "highwater":
            self._take_mark(unpack_result(parts[2]).get("newest"))
            return
        offset = decode_offset(parts[1])
        if missing := self._order.missing_before(offset):
            self._repair(*missing)
        self._deliver(Stored(topic, offset, parts[2]))

    def _take_mark(self, newest: object) -> None:
        if newest is not None and not isinstance(newest, int):
            raise BadMessage(f"{self.results_url}: highwater newest {newest!r}, expected a number")
        if self._order.is_ahead_of(newest):
            raise JournalReplaced(
                f"{self.results_url}: the journal ends at {newest}, but {self._order.next} was due: another journal"
            )
        if newest is not None and (missing := self._order.missing_up_to(newest)):
            self._repair(*missing)

    def _repair(self, first: int, last: int) -> None:
        if self._control is not None:
            self._fetch(last)
            first = self._order.next or first
        if first <= last:
            self.on_gap(first, last)
            self._order.skip_to(last + 1)

    def _fetch(self, last: int | None) -> None:
        """Deliver from the journal up to `last`, or all there is."""
        if self._control is None:
            return
        while last is None or (self._order.next or 0) <= last:
            wanted = self._order.next or 0
            batch = self._control.get(wanted)
            if batch.oldest > wanted:
                self.on_gap(wanted, batch.oldest - 1)
                self._order.skip_to(batch.oldest)
            for stored in batch.records:
                self._deliver(stored)
            if not batch.records:
                return

    def _deliver(self, stored: Stored) -> None:
        if not self._order.accept(stored.offset):
            return
        body: FrameRecord | dict[str, Any] = (
            decode_frame(stored.payload)
            if stored.topic == "result"
            else unpack_result(stored.payload)
        )
        self._ready.append(Record(stored.topic, stored.offset, body))
