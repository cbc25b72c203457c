"""The socket of a best-effort source: a PULL or SUB that is read and never written to.

PULL: what the daemon cannot take waits at the sender, which blocks at its own high-water mark. SUB: what the daemon
cannot take is dropped by the publisher at its high-water mark, and becomes gaps. Made, used and closed in the ingest
thread.
"""

import time
from typing import Final

import zmq

from phenostream.daemon.socket_options import Context, Socket, bind, bounded
from phenostream.daemon.source_config import SourceConfig
from phenostream.daemon.sources.best_effort_desk import BestEffortDesk
from phenostream.daemon.sources.reception import Clock
from phenostream.engine.errors import BadConfig

_FEWEST_FRAMES: Final = 4
_SUBSCRIPTIONS: Final = 0
"""No bound on what a SUB sends: its one subscription to each publisher."""
_RECONNECT_MAX_MS: Final = 2000
_KINDS: Final = {"pull": zmq.PULL, "sub": zmq.SUB}


class BestEffortDoor:
    """A door that frames come in by; see `Door`."""

    def __init__(self, context: Context, desk: BestEffortDesk) -> None:
        """Bind or connect.

        Raises:
            BadConfig: The endpoint cannot be bound, or is no address.
        """
        self._desk = desk
        self.name = f"sources.{desk.config.name}"
        self.socket, self.endpoint = opened_socket(context, desk.config)

    def read(self) -> bool:
        """Take one message; False when there is none."""
        try:
            parts = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        clock = Clock(time.time_ns(), time.monotonic())
        self._desk.receive([part.buffer for part in parts], clock)
        return True

    def tick(self) -> None:
        """Look for runs whose END was lost."""
        self._desk.tick(Clock(time.time_ns(), time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Nothing was read for so long, through any door."""
        self._desk.pause(seconds)

    def close(self) -> None:
        """Close; what was not read is lost."""
        self.socket.close(0)


def opened_socket(context: Context, config: SourceConfig) -> tuple[Socket, str]:
    """A socket with all its limits, and its endpoint with the real port; the caller closes it.

    Raises:
        BadConfig: See `BestEffortDoor`.
    """
    socket = bounded(context.socket(_KINDS[config.socket]), _SUBSCRIPTIONS, config.max_frame_bytes)
    frames = max(_FEWEST_FRAMES, config.receive_budget_bytes // config.max_frame_bytes)
    socket.setsockopt(zmq.RCVHWM, frames)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
    if config.socket == "sub":
        socket.setsockopt(zmq.SUBSCRIBE, (config.topic or "").encode())
    key = f"sources.{config.name}.endpoint"
    if config.link == "bind":
        return socket, bind(socket, config.endpoint, key)
    try:
        socket.connect(config.endpoint)
    except zmq.ZMQError as err:
        socket.close(0)
        why = zmq.strerror(err.errno or 0).lower()
        raise BadConfig(f"{key}: {config.endpoint}: {why}") from err
    return socket, config.endpoint
