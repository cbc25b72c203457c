"""What one socket's connections have handed over, and whether whoever sent a message may still speak.

Belongs to the thread that reads the socket; the gate's thread only looks. A connection is known by its descriptor,
which libzmq tells with every message.
"""

from collections.abc import Callable, Sequence
from typing import Final

import zmq

from phenostream.daemon.security.allow_list import AllowList

KERNEL_BYTES: Final = 33 << 20
"""What the kernel may hold of one connection besides: the largest receive buffer Linux grows to, and headers."""
_SHORT: Final = 255
_SHORT_FRAME, _LONG_FRAME = 2, 9
_CURVE_MESSAGE: Final = 33
"""A CURVE MESSAGE command: name 8, nonce 8, authenticator 16, flags 1."""


class Turnstile:
    """Counts bytes on the wire by descriptor.

    Attributes:
        delivered: Descriptor → bytes on the wire of the messages it handed over, since the daemon started: the
            connections that had this descriptor, together.
        users: Descriptor → who spoke through it last, see `Grant.user`.
    """

    def __init__(
        self,
        allowed: Callable[[], AllowList] | None = None,
        on_removed: Callable[[], object] = lambda: None,
    ) -> None:
        """Nobody spoke yet.

        Args:
            allowed: Where the socket speaks CURVE.
            on_removed: Called when somebody speaks who was removed since, and whose connection is still open.
        """
        self._on_removed = on_removed
        self.delivered: dict[int, int] = {}
        self.users: dict[int, str] = {}
        self._allowed = allowed

    def passes(self, parts: Sequence[zmq.Frame]) -> bool:
        """Count a message, without the routing id; False if its sender was removed from the allow-list since.

        A peer that speaks ZMTP 2 or older has no descriptor: it is not counted, and shut down after its budget.
        """
        last = parts[-1]
        try:
            descriptor = int(last.get(zmq.SRCFD))
        except zmq.ZMQError:
            return self._allowed is None
        size = sum(wire_bytes(len(part), curve=self._allowed is not None) for part in parts)
        self.delivered[descriptor] = self.delivered.get(descriptor, 0) + size
        if self._allowed is None:
            return True
        user = self.users[descriptor] = str(last.get("User-Id"))
        if user in self._allowed().users:
            return True
        self._on_removed()
        return False

    def role(self, part: zmq.Frame) -> str | None:
        """Role of who sent a message; None where no keys are spoken, and access to the socket is all there is."""
        return None if self._allowed is None else str(part.get("User-Id")).partition("/")[0]


def wire_bytes(size: int, *, curve: bool) -> int:
    """Bytes that a message part of this size takes on a connection (ZMTP 3.1, section on framing; RFC 26)."""
    body = size + _CURVE_MESSAGE if curve else size
    return body + (_SHORT_FRAME if body <= _SHORT else _LONG_FRAME)
