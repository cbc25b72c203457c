"""The open connections of one socket: how many there may be, and what each may have sent and not handed over.

libzmq bounds the length of a message part and the number of whole messages that wait, and neither bounds a message
that never ends: its parts are kept until the last one. The kernel counts what a connection received (TCP_INFO), the
`Turnstile` what it handed over; the difference is what libzmq holds for it. Beyond a budget the connection is shut
down, and libzmq drops what it held. All in the gate's thread.

A connection is looked at through a copy of its descriptor, held for microseconds and checked by the kernel's socket
cookie: descriptors are used again, and a copy that is kept would keep the connection open.
"""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from phenostream.daemon.security.turnstile import Turnstile

LEAK_BYTES_PER_S: Final = 1024
"""Heartbeats are received and never handed over: 16 bytes each in plain, 50 under CURVE."""
_SO_COOKIE: Final = 57
_COOKIE: Final = struct.Struct("=Q")
_RESET: Final = struct.pack("ii", 1, 0)
"""A linger of 0 s: what waits is dropped, and a peer that is blocked in sending hears of it."""
_RECEIVED_AT: Final = 128
"""Of tcpi_bytes_received in struct tcp_info, since Linux 4.1."""
_TCP_INFO_BYTES: Final = 136


@dataclass(slots=True)
class _Connection:
    descriptor: int
    cookie: bytes
    ours: bool
    tcp: bool
    spoke_at: int
    """What its descriptor had handed over when it was opened."""
    received: int
    delivered: int
    excess: float = 0.0


@dataclass(slots=True)
class Tally:
    """What was shut down, and why."""

    over_budget: int = 0
    over_cap: int = 0
    removed: int = 0


class Connections:
    """Of one socket.

    Args:
        most: Connections at once; one more shuts down the oldest that never said anything, or else is shut down.
        budget_bytes: What one may have sent beyond what was handed over.
        turnstile: Of the same socket.
        refunds: Whether what was handed over is taken off.
    """

    def __init__(
        self, most: int, budget_bytes: int, turnstile: Turnstile, *, refunds: bool = True
    ) -> None:
        self.tally = Tally()
        self._most, self._budget_bytes, self._turnstile = most, budget_bytes, turnstile
        self._refunds = refunds
        self._open: dict[int, _Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def counted(self) -> int:
        """How many are looked at by `sweep`: those on tcp."""
        return sum(one.tcp for one in self._open.values())

    def opened(self, descriptor: int, *, ours: bool) -> bool:
        """A connection was made, by us or by a peer; False when one was shut down for it."""
        with _borrowed(descriptor, None) as wire:
            if wire is None:
                return True  # gone already
            tcp = wire.family in (socket.AF_INET, socket.AF_INET6)
            spoke_at = self._turnstile.delivered.get(descriptor, 0)
            received = _received(wire) if tcp else 0
            cookie = _cookie(wire)
        connection = _Connection(descriptor, cookie, ours, tcp, spoke_at, received, spoke_at)
        self._open.pop(descriptor, None)
        self._open[descriptor] = connection  # at the end: the oldest comes first
        if ours or len(self._open) <= self._most:
            return True
        self._shut(next(self._silent(), connection))
        self.tally.over_cap += 1
        return False

    def closed(self, descriptor: int) -> None:
        """Libzmq let go of it."""
        self._open.pop(descriptor, None)

    def sweep(self, elapsed_s: float) -> int:
        """Shut down what is over its budget; how many were."""
        leak, over = elapsed_s * LEAK_BYTES_PER_S, 0
        for connection in [one for one in self._open.values() if one.tcp]:
            delivered = self._turnstile.delivered.get(connection.descriptor, 0)  # before `received`
            with _borrowed(connection.descriptor, connection.cookie) as wire:
                received = connection.received if wire is None else _received(wire)
            refund = delivered - connection.delivered if self._refunds else 0
            grown = received - connection.received - refund
            connection.received, connection.delivered = received, delivered
            connection.excess = max(0.0, connection.excess + grown - leak)
            if connection.excess > self._budget_bytes:
                self._shut(connection)
                over += 1
        self.tally.over_budget += over
        return over

    def remove(self, may_stay: Callable[[str], bool]) -> int:
        """Shut down those whose user may not stay; how many were."""
        users = self._turnstile.users
        leaving = [
            one
            for one in self._open.values()
            if (user := users.get(one.descriptor)) is not None and not may_stay(user)
        ]
        for connection in leaving:
            self._shut(connection)
        self.tally.removed += len(leaving)
        return len(leaving)

    def _silent(self) -> Iterator[_Connection]:
        """Those that have handed nothing over, from the oldest on, without the newest."""
        for one in list(self._open.values())[:-1]:
            if not one.ours and self._turnstile.delivered.get(one.descriptor, 0) == one.spoke_at:
                yield one

    def _shut(self, connection: _Connection) -> None:
        del self._open[connection.descriptor]
        with _borrowed(connection.descriptor, connection.cookie) as wire:
            if wire is not None:
                try:
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    wire.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # the peer was quicker


@contextmanager
def _borrowed(descriptor: int, cookie: bytes | None) -> Iterator[socket.socket | None]:
    """A short-lived copy of a descriptor of libzmq's; None if it is closed, or another connection by now."""
    try:
        copy = os.dup(descriptor)
    except OSError:
        yield None
        return
    try:
        wire = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)  # no socket any more
        yield None
        return
    with wire:
        yield wire if cookie is None or _cookie(wire) == cookie else None


def _cookie(wire: socket.socket) -> bytes:
    return wire.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, _COOKIE.size)


def _received(wire: socket.socket) -> int:
    """Bytes that the kernel has received on a TCP connection."""
    facts = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int(_COOKIE.unpack_from(facts, _RECEIVED_AT)[0])
