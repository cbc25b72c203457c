"""Connecting a client's socket: with our keys on a network, with one clear line where the address is wrong."""

import zmq

from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import Socket
from phenostream.engine.errors import BadConfig


def connect(socket: Socket, url: str, keys: ClientKeys | None = None) -> None:
    """Connect; nobody need be there yet.

    Args:
        socket: New.
        url: Where to.
        keys: Spoken on tcp; an ipc socket is guarded by its folder and speaks no CURVE.

    Raises:
        BadConfig: The address is not one (the socket is then closed).
    """
    set_keys(socket, url, keys)
    try:
        socket.connect(url)
    except zmq.ZMQError as err:
        socket.close(0)
        raise BadConfig(
            f"url: {url!r}: {(err.strerror or str(err)).lower()}; expected ipc://PATH or tcp://HOST:PORT"
        ) from err


def set_keys(socket: Socket, url: str, keys: ClientKeys | None) -> None:
    """Make a socket that is not connected or bound speak CURVE, if the address is on tcp and there are keys."""
    if keys is not None and url.startswith("tcp://"):
        keys.set_on(socket)
