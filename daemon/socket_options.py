"""What every socket of the daemon has in common: bounds on lengths, queues, handshakes and silence."""

from typing import Final

import zmq

from phenostream.engine.errors import BadConfig

LINGER_MS: Final = 1000
HANDSHAKE_MS: Final = 2000
HEARTBEAT_MS: Final = 1000
HEARTBEAT_TIMEOUT_MS: Final = 5000
"""A source that copies and sends 32 MiB frames on a busy box must not be taken for dead."""
SMALL_MESSAGE_BYTES: Final = 64 << 10

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]


def bounded(socket: Socket, send_high_water: int, max_bytes: int = SMALL_MESSAGE_BYTES) -> Socket:
    """Set the limits of a socket that is not yet bound.

    Args:
        socket: New.
        send_high_water: Messages that may wait for one peer.
        max_bytes: Largest message part accepted; a peer that announces more is cut off.
    """
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.SNDHWM, send_high_water)
    return socket


def bind(socket: Socket, url: str, key: str) -> str:
    """Bind and return the endpoint with its real port.

    Raises:
        BadConfig: One line with the key, the endpoint and why not.
    """
    try:
        socket.bind(url)
    except zmq.ZMQError as err:
        socket.close(0)
        raise BadConfig(f"{key}: {url}: {zmq.strerror(err.errno or 0).lower()}") from err
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    return endpoint.rstrip(b"\0").decode() if isinstance(endpoint, bytes) else url
