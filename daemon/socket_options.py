"""What every socket of the daemon has in common: bounds on lengths, queues, handshakes and silence.

None of these sends ZMTP heartbeats of its own. libzmq 4.3.5 aborts the whole process when a heartbeat is due on a
connection that its peer has closed while its input was at the receive high-water mark (its issue 4364): a microscope
that dies while we are busy would take the daemon along. A peer that asks is answered, and the kernel's keepalive finds
hosts that are gone.

An address to listen at is not left to libzmq where it is one: libzmq takes it for the name of a network interface
first, which it looks for through a netlink socket, and aborts the process where a sandbox forbids that.
"""

import ipaddress
import socket as kernel
from typing import Final

import zmq

from phenostream.engine.errors import BadConfig

LINGER_MS: Final = 1000
HANDSHAKE_MS: Final = 2000
KEEPALIVE_IDLE_S: Final = 10
KEEPALIVE_INTERVAL_S: Final = 5
KEEPALIVE_PROBES: Final = 3
HEARTBEAT_MS: Final = 1000
"""Of a `Link`, which has no receive high-water mark and so cannot meet the fault above."""
HEARTBEAT_TIMEOUT_MS: Final = 5000
"""A source that copies and sends 32 MiB frames on a busy box must not be taken for dead."""
SMALL_MESSAGE_BYTES: Final = 64 << 10
_WAITING: Final = 100
"""Connections that the kernel keeps until they are accepted: what libzmq asks for by itself."""
_NO_NAMES: Final = (
    "allowed * or an IPv4 address in a sandbox without AF_NETLINK, where no name can be looked up"
)

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
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_PROBES)
    socket.setsockopt(zmq.SNDHWM, send_high_water)
    return socket


def connect(socket: Socket, url: str, key: str) -> str:
    """Connect and return the endpoint; raises as `bind`."""
    try:
        socket.connect(url)
    except zmq.ZMQError as err:
        socket.close(0)
        raise BadConfig(f"{key}: {url}: {zmq.strerror(err.errno or 0).lower()}") from err
    return url


def bind(socket: Socket, url: str, key: str) -> str:
    """Bind and return the endpoint with its real port.

    Raises:
        BadConfig: One line with the key, the endpoint and why not; the socket is closed then.
    """
    try:
        _listen(socket, url)
        socket.bind(url)
    except (OSError, zmq.ZMQError) as err:
        socket.close(0)
        reason = _NO_NAMES if isinstance(err, _NoNames) else zmq.strerror(err.errno or 0).lower()
        raise BadConfig(f"{key}: {url}: {reason}") from err
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    return endpoint.rstrip(b"\0").decode() if isinstance(endpoint, bytes) else url


class _NoNames(OSError):
    """This process may not ask the kernel for its network interfaces."""


def _listen(socket: Socket, url: str) -> None:
    """Listen at an IPv4 address for a socket that is about to be bound there; any other place is left to it.

    Raises:
        OSError: That cannot be done here.
    """
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or host == "*":
        return
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        _see_that_names_are_known()
        return
    with kernel.socket(kernel.AF_INET, kernel.SOCK_STREAM) as listener:
        listener.setblocking(False)
        listener.setsockopt(kernel.SOL_SOCKET, kernel.SO_REUSEADDR, 1)
        listener.bind((str(address), 0 if port == "*" else int(port)))
        listener.listen(_WAITING)
        socket.setsockopt(zmq.USE_FD, listener.detach())


def _see_that_names_are_known() -> None:
    try:
        kernel.socket(kernel.AF_NETLINK, kernel.SOCK_RAW).close()
    except OSError as err:
        raise _NoNames from err
