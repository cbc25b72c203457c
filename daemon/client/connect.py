"""Connecting a client's socket, with one clear line where the address itself is wrong."""

import zmq

from phenostream.daemon.socket_options import Socket
from phenostream.engine.errors import BadConfig


def connect(socket: Socket, url: str) -> None:
    """Connect; nobody need be there yet.

    Raises:
        BadConfig: The address is not one (the socket is then closed).
    """
    try:
        socket.connect(url)
    except zmq.ZMQError as err:
        socket.close(0)
        raise BadConfig(
            f"url: {url!r}: {(err.strerror or str(err)).lower()}; expected ipc://PATH or tcp://HOST:PORT"
        ) from err
