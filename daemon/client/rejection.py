"""Why a daemon does not take our connection, in one line with what to do.

libzmq says so clearly only of a key that the daemon's gate refused; whenever the security settings of both ends differ
the connection just closes during the handshake, as it does when a daemon stops. The greeting that every ZeroMQ peer
sends first names its mechanism: it is asked for on a connection of its own.
"""

import asyncio
import contextlib
import socket
import struct
import time
from typing import Final

import zmq

from phenostream.daemon.client.errors import Rejected
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import Socket

FAILED_HANDSHAKES: Final = int(
    zmq.Event.HANDSHAKE_FAILED_AUTH
    | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
)
_OPENING: Final = b"\xff" + bytes(8) + b"\x7f\x03"
"""Signature and version: enough for a peer to name its mechanism, too little to be refused for ours."""
_MECHANISM: Final = slice(12, 32)
_GREETING_BYTES: Final = 64
_ANSWER_S: Final = 2.0
"""For the whole greeting."""
_SURE: Final = 2
"""Failures in a row, each with a greeting after it, until a wrong key is believed: a daemon may have died meanwhile."""
_EVENT: Final = struct.Struct("=HI")


class Rejection:
    """Judges failed handshakes with one daemon, one at a time; waits for the peer in the caller's thread."""

    def __init__(self, url: str, keys: ClientKeys | None) -> None:
        self._url = url
        self._keys = keys if url.startswith("tcp://") else None
        self._failures = 0

    def check(self, event: int) -> None:
        """Take a failed handshake; returns when it may pass.

        Raises:
            Rejected: It will not pass by itself.
        """
        if event & FAILED_HANDSHAKES and (reason := self._reason(event)) is not None:
            raise Rejected(f"{self._url}: {reason}")

    def _reason(self, event: int) -> str | None:
        if event == zmq.Event.HANDSHAKE_FAILED_AUTH:
            key = "" if self._keys is None else f" (public {self._keys.pair.public.decode()})"
            return (
                f"the daemon does not let our key{key} in there: not in its list, removed, or of another "
                "role (`phenostream keys list DIR` on its box, then `phenostream reload`)"
            )
        spoken = mechanism(self._url)
        if spoken is None:
            return None  # nobody, or a daemon that just stopped
        wanted = "NULL" if self._keys is None else "CURVE"
        if spoken == "CURVE" and wanted == "NULL":
            return "the daemon there wants keys: --keys DIR, made by `phenostream keys client` on its box"
        if spoken == "NULL" and wanted == "CURVE":
            return (
                "the daemon there speaks plain, our keys would guard nothing: leave --keys out if you "
                "trust the network, or give it [security] keys"
            )
        if spoken != wanted:
            return f"the peer there speaks {spoken}, expected {wanted}"
        self._failures += 1
        if wanted == "NULL" or self._failures < _SURE:
            return None
        return (
            "the daemon there is not the one whose key is in server.pub: wrong address, or it has new "
            "keys (`phenostream keys client` on its box makes a folder that fits)"
        )


class HandshakeWatch:
    """Tells a socket that reconnects by itself why nobody takes it; owned by its thread."""

    def __init__(self, handle: Socket, url: str, keys: ClientKeys | None) -> None:
        """Watch from before it connects."""
        self._handle = handle
        self._rejection = Rejection(url, keys)
        self._monitor = handle.get_monitor_socket(FAILED_HANDSHAKES)

    def check(self) -> None:
        """Look at the failed handshakes since the last look.

        Raises:
            Rejected: See `Rejection.check`.
        """
        while (event := self._next()) is not None:
            self._rejection.check(event)

    async def check_async(self) -> None:
        """Look at one of them; the event loop goes on while the peer is asked what it speaks.

        Raises:
            Rejected: See `Rejection.check`.
        """
        if (event := self._next()) is not None:
            await asyncio.to_thread(self._rejection.check, event)

    def close(self) -> None:
        """Before the socket is closed."""
        if not self._handle.closed:
            self._handle.disable_monitor()
        self._monitor.close(0)

    def _next(self) -> int | None:
        with contextlib.suppress(zmq.Again):
            event: int
            event, _ = _EVENT.unpack(self._monitor.recv_multipart(zmq.NOBLOCK)[0])
            return event
        return None


def mechanism(url: str) -> str | None:
    """The security mechanism that a ZeroMQ peer on tcp names in its greeting; None where none greets."""
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    heard, deadline = b"", time.monotonic() + _ANSWER_S
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S) as wire:
            wire.sendall(_OPENING)
            while len(heard) < _GREETING_BYTES and (left := deadline - time.monotonic()) > 0:
                wire.settimeout(left)
                if not (piece := wire.recv(_GREETING_BYTES)):
                    break
                heard += piece
    except (OSError, ValueError):
        pass  # what was heard until then counts
    named = heard[_MECHANISM].rstrip(b"\0")
    return named.decode("ascii", "replace") if heard[:1] == b"\xff" and named else None
