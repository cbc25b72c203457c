"""The results socket: `[topic, offset, payload]` to whoever subscribed, and a high-water mark every second.

Lives in the commit thread. A subscriber that does not read loses messages beyond its budget, sees the gap by the
offsets and asks the replay service; it never delays anyone.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import zmq

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.security.guard import Guard, Opening
from phenostream.daemon.socket_options import bind, bounded
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import WELCOME_TOPIC, encode_offset

HIGHWATER_S: Final = 1.0
NO_OFFSET: Final = 2**64 - 1
"""Offset part of a high-water mark while the journal is empty."""
_SUBSCRIBED: Final = b"\x01" + WELCOME_TOPIC
_SUBSCRIPTIONS_AT_ONCE: Final = 100
_SUBSCRIPTION_BYTES: Final = 64 << 10
"""What one subscriber may say, and 1 KiB more a second: libzmq keeps its topics. It needs a few hundred bytes."""
_BYTES_PER_CELL: Final = 256
_BYTES_PER_FRAME: Final = 4096


def send_high_water(budget_bytes: int, max_cells_per_frame: int) -> int:
    """Messages that may wait for one subscriber, so that the largest results stay within the budget."""
    return max(2, budget_bytes // (_BYTES_PER_FRAME + _BYTES_PER_CELL * max_cells_per_frame))


class Publisher:
    """An XPUB socket; made, used and closed in one thread."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        url: str,
        high_water: int,
        journal: Journal,
        run_counts: Callable[[], dict[str, Any]],
        guard: Guard | None = None,
    ) -> None:
        """Bind.

        Args:
            context: Of the process.
            url: Where to bind.
            high_water: Messages that may wait for one subscriber.
            journal: Whose newest record the marks tell.
            run_counts: How the frames of each open run stand, for the marks.
            guard: Opens the socket; None: it is open to whoever reaches it.

        Raises:
            BadConfig: The endpoint cannot be bound.
        """
        self._journal = journal
        self._run_counts = run_counts
        self._next_mark_s = 0.0
        self.socket = bounded(context.socket(zmq.XPUB), high_water)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.socket.setsockopt(zmq.RCVHWM, _SUBSCRIPTIONS_AT_ONCE)
        self._turnstile, key = None, "results.endpoint"
        if guard is None:
            self.endpoint = bind(self.socket, url, key)
        else:
            opening = Opening(key, url, "results", _SUBSCRIPTION_BYTES, "results", refunds=False)
            self._turnstile, self.endpoint = guard.open(context, self.socket, opening)

    def publish(self, records: list[Record]) -> None:
        """Send records that are durable.

        What subscribers have read since is taken note of first: by itself libzmq looks only every millisecond or so,
        and takes a subscriber that reads as fast as a burst is sent for one that is behind.
        """
        for record in records:
            self.socket.getsockopt(zmq.EVENTS)
            self.socket.send_multipart(
                [record.topic.encode(), encode_offset(record.offset), record.payload]
            )

    def welcome_subscribers(self) -> None:
        """Answer each subscription to the welcome topic.

        A subscriber's subscriptions arrive in its order, so one that subscribes to the welcome topic last and reads
        the answer knows that all of them hold. A mark is due then: it tells the newcomer where the journal and the
        runs stand, before it can have missed anything.
        """
        for _ in range(_SUBSCRIPTIONS_AT_ONCE):
            if not self.socket.poll(0):
                return
            word = self.socket.recv(copy=False)
            if self._turnstile is not None and not self._turnstile.passes([word]):
                continue
            if word.bytes == _SUBSCRIBED:
                self.socket.send(WELCOME_TOPIC)
                self._next_mark_s = 0.0

    def mark_if_due(self) -> float:
        """Publish the high-water mark once a second; seconds until the next one is due."""
        now_s = time.monotonic()
        if now_s >= self._next_mark_s:
            self.mark()
            self._next_mark_s = now_s + HIGHWATER_S
        return self._next_mark_s - now_s

    def mark(self) -> None:
        """Publish the newest durable offset, and the counts of the open runs up to it.

        A subscriber sees from them whether it missed the tail, and of which runs: fates are counted in this thread,
        when they are on disk, so the counts are those of the records up to `newest`.
        """
        newest = self._journal.newest
        payload = {
            "v": 1,
            "type": "highwater",
            "newest": newest,
            "next": 0 if newest is None else newest + 1,
            "oldest": self._journal.oldest,
            "runs": self._run_counts(),
            "utc_ns": time.time_ns(),
        }
        offset = encode_offset(NO_OFFSET if newest is None else newest)
        self.socket.send_multipart([b"highwater", offset, pack(payload)])

    def close(self) -> None:
        """Close; what is queued has a second to leave."""
        self.socket.close()
