"""One DEALER connection to a daemon that notices when the peer is gone.

libzmq would reconnect by itself and deliver what was queued for the dead peer to its successor, before any HELLO. A
`Link` never does: it is opened, lost once, and replaced by its owner. A peer is gone when its socket closes, when it
answers no heartbeat for `HEARTBEAT_TIMEOUT_MS`, or when it refuses our key. Made, used and closed in one thread.
"""

import contextlib
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import zmq

from phenostream.daemon.client.connect import connect
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS, Context
from phenostream.daemon.wire.codec import MAX_HEADER_BYTES
from phenostream.engine.errors import BadConfig

_LOST: Final = {
    int(zmq.Event.DISCONNECTED): "the connection closed",
    int(zmq.Event.CLOSED): "nothing listens there",
    int(zmq.Event.HANDSHAKE_FAILED_AUTH): "the daemon does not accept our key",
    int(zmq.Event.HANDSHAKE_FAILED_PROTOCOL): "no ZeroMQ peer with our security settings",
    int(zmq.Event.HANDSHAKE_FAILED_NO_DETAIL): "the handshake failed",
}
_NEVER_MS: Final = 3_600_000
"""Reconnect interval no `Link` lives to see. Not -1: that throws away messages which arrived before the loss."""
_EVENT: Final = struct.Struct("=HI")


class LinkLost(Exception):
    """The peer of a `Link` is gone; what was not acknowledged may or may not have arrived.

    Attributes:
        event: Of libzmq's monitor; 0 when the loss was noticed otherwise.
    """

    def __init__(self, reason: str, event: int = 0) -> None:
        super().__init__(reason)
        self.event = event


class Link:
    """A DEALER and its monitor. Use as a context manager; raises `LinkLost` from `send` and `receive`.

    Args:
        context: Where the sockets live.
        url: The daemon's endpoint.
        keys: Ours and the daemon's, for tcp.
        max_message_bytes: Longest part the peer may send; larger closes the connection.

    Raises:
        BadConfig: `url` is not an address.
    """

    def __init__(
        self,
        context: Context,
        url: str,
        keys: ClientKeys | None = None,
        max_message_bytes: int = MAX_HEADER_BYTES,
    ) -> None:
        self._url = url
        self._lost: tuple[str, int] | None = None
        self._socket = context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, _NEVER_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, max_message_bytes)
        self._socket.setsockopt(zmq.SNDHWM, 0)  # the credit is the bound, in bytes
        self._socket.setsockopt(zmq.RCVHWM, 0)  # answers to what the credit allowed
        self._monitor = self._socket.get_monitor_socket(sum(_LOST))
        try:
            connect(self._socket, url, keys)
        except BadConfig:
            self._monitor.close(0)
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection and all that was not sent. Harmless when repeated."""
        if not self._socket.closed:
            self._socket.disable_monitor()
            self._monitor.close(0)
            self._socket.close(0)

    def send(self, parts: Sequence[bytes | memoryview]) -> None:
        """Queue one message without copying parts above 64 KiB; they must stay unchanged until answered."""
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK, copy=False, track=False)
        except zmq.ZMQError as err:
            raise LinkLost(*(self._lost or ("the connection closed",))) from err

    def receive(self, timeout_s: float) -> list[bytes] | None:
        """The next message, or None when none came in `timeout_s`; what arrived before a loss comes first."""
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(zmq.Again):
                return self._socket.recv_multipart(zmq.NOBLOCK)
            if self._lost is not None:
                raise LinkLost(*self._lost)
            remaining = deadline - time.monotonic()
            ready = dict(self._poller.poll(max(0, int(remaining * 1000 + 0.999))))
            if self._monitor in ready:
                event, _ = _EVENT.unpack(self._monitor.recv_multipart()[0])
                self._lost = self._lost or (self._why(event), event)
            elif not ready and remaining <= 0:
                return None

    def _why(self, event: int) -> str:
        shut = shut_out(self._url) if event == zmq.Event.CLOSED else None
        return shut or _LOST.get(event, f"monitor event {event}")


def shut_out(url: str) -> str | None:
    """Why this user cannot open an ipc socket, which libzmq takes for one where nobody listens; None if he can."""
    scheme, _, name = url.partition("://")
    if scheme != "ipc":
        return None
    path = Path(name)
    with contextlib.suppress(OSError, KeyError):  # not to be looked at; a group without a name
        for place, needed in ((path.parent, os.X_OK), (path, os.W_OK)):
            if place.exists() and not os.access(place, needed):
                return f"{place} is closed to this user, open to its owner and, if at all, to group {place.group()}"
    return None
