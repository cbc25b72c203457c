"""The bounded queue between two stages: a full one blocks its producers, nothing is ever thrown away.

A channel is closed by its producers; the consumer then empties it and learns that no more will come, so that a drain
runs through the pipeline by itself. `abort` ends every wait at once: what was queued has no fate yet, and the source,
which has no acknowledgement, will send it again.
"""

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Final, Generic, TypeVar

T = TypeVar("T")

BEAT_S: Final = 0.5
"""Longest wait without a sign of life."""


class Closed(Exception):
    """Every producer has closed the channel and it is empty."""


class Aborted(Exception):
    """The process is being torn down; whoever waits here ends."""


class Channel(Generic[T]):
    """Items in order, at most `capacity` of them; safe from several threads on both ends."""

    def __init__(
        self,
        capacity: int | None,
        producers: int = 1,
        *,
        on_item: Callable[[], None] | None = None,
        on_room: Callable[[], None] | None = None,
        on_starved: Callable[[], None] | None = None,
    ) -> None:
        """Make an open, empty channel.

        Args:
            capacity: Most items held; None where something else bounds them (the maker says what).
            producers: How many calls of `close` end it.
            on_item: Called after a put and after the last close, for a consumer that polls.
            on_room: Called when a full channel has room again, for a producer that polls.
            on_starved: Called when a consumer begins to wait, for a producer that holds something back.
        """
        self._capacity = capacity
        self._producers = producers
        self._on_item = on_item
        self._on_room = on_room
        self._on_starved = on_starved
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._aborted = False
        self._waiting = 0
        self._nudged = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """Whether a put would block."""
        return self._capacity is not None and len(self._items) >= self._capacity

    @property
    def starved(self) -> bool:
        """Whether a consumer waits and there is nothing for it."""
        return self._waiting > 0 and not self._items

    def put(self, item: T, beat: Callable[[], None] | None = None) -> None:
        """Append an item; blocks while the channel is full and calls `beat` meanwhile.

        Raises:
            Aborted: See the module.
        """
        with self._changed:
            while self.full and not self._aborted:
                self._changed.wait(BEAT_S)
                if beat is not None:
                    beat()
            if self._aborted:
                raise Aborted
            self._items.append(item)
            self._changed.notify_all()
        if self._on_item is not None:
            self._on_item()

    def offer(self, item: T) -> bool:
        """Append an item unless the channel is full or has ended; whether it was appended. Never waits."""
        with self._changed:
            if self.full or self._ended():
                return False
            self._items.append(item)
            self._changed.notify_all()
        if self._on_item is not None:
            self._on_item()
        return True

    def get(self, timeout_s: float) -> T | None:
        """The oldest item, or None when `timeout_s` passed without one, or after a `nudge`.

        Raises:
            Closed: No item is left and none will come.
            Aborted: See the module.
        """
        with self._changed:
            if not self._items and not self._nudged and not self._ended():
                self._waiting += 1
                if self._on_starved is not None:
                    self._on_starved()
                self._changed.wait(max(timeout_s, 0.0))
                self._waiting -= 1
            self._nudged = False
            if not self._items:
                self._raise_if_ended()
                return None
            was_full = self.full
            item = self._items.popleft()
            self._changed.notify_all()
        if was_full and self._on_room is not None:
            self._on_room()
        return item

    def nudge(self) -> None:
        """Have the consumer look up from its wait, now or at its next one."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def take_all(self) -> list[T]:
        """Every item that is there now, without waiting; raises as `get` does."""
        with self._changed:
            if not self._items:
                self._raise_if_ended()
                return []
            was_full = self.full
            items = list(self._items)
            self._items.clear()
            self._changed.notify_all()
        if was_full and self._on_room is not None:
            self._on_room()
        return items

    def close(self) -> None:
        """One producer is done."""
        with self._changed:
            self._producers -= 1
            self._changed.notify_all()
        if self._on_item is not None:
            self._on_item()

    def abort(self) -> None:
        """End every wait on this channel, now and later, with `Aborted`."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()
        if self._on_item is not None:
            self._on_item()

    def _ended(self) -> bool:
        return self._aborted or self._producers <= 0

    def _raise_if_ended(self) -> None:
        if self._aborted:
            raise Aborted
        if self._producers <= 0:
            raise Closed
