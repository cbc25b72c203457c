"""The socket of a best-effort source: a PULL or SUB that is read and never written to.

PULL: what the daemon cannot take waits at the sender, which blocks at its own high-water mark. SUB: what the daemon
cannot take is dropped by the publisher at its high-water mark, and becomes gaps. Made, used and closed in the ingest
thread.
"""

import time
from typing import Final

import zmq

from phenostream.daemon.security.guard import Guard, Opening
from phenostream.daemon.security.turnstile import KERNEL_BYTES, Turnstile
from phenostream.daemon.socket_options import Context, Socket, bind, bounded, connect
from phenostream.daemon.source_config import SourceConfig
from phenostream.daemon.sources.best_effort_desk import BestEffortDesk
from phenostream.daemon.sources.reception import Clock

_FEWEST_FRAMES: Final = 4
_SUBSCRIPTIONS: Final = 0
"""No bound on what a SUB sends: its one subscription to each publisher."""
_IN_HAND: Final = 2
"""Frames that libzmq may hold beyond its high-water mark: the one that is coming, and one between two queues."""
_RECONNECT_MAX_MS: Final = 2000
_KINDS: Final = {"pull": zmq.PULL, "sub": zmq.SUB}


class BestEffortDoor:
    """A door that frames come in by; see `Door`."""

    def __init__(self, context: Context, desk: BestEffortDesk, guard: Guard | None = None) -> None:
        """Bind or connect.

        Raises:
            BadConfig: The endpoint cannot be bound, or is no address.
        """
        self._desk = desk
        self.name = f"sources.{desk.config.name}"
        self.socket, self.endpoint, self._turnstile = opened_socket(context, desk.config, guard)

    def read(self) -> bool:
        """Take one message; False when there is none."""
        try:
            parts = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        if self._turnstile is not None and not self._turnstile.passes(parts):
            return True
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


def opened_socket(
    context: Context, config: SourceConfig, guard: Guard | None = None
) -> tuple[Socket, str, Turnstile | None]:
    """A socket with all its limits, its endpoint with the real port, and its turnstile; see `bound_router`.

    Raises:
        BadConfig: See `BestEffortDoor`.
    """
    socket = bounded(context.socket(_KINDS[config.socket]), _SUBSCRIPTIONS, config.max_frame_bytes)
    frames = max(_FEWEST_FRAMES, config.receive_budget_bytes // config.max_frame_bytes)
    socket.setsockopt(zmq.RCVHWM, frames)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
    if config.socket == "sub":
        socket.setsockopt(zmq.SUBSCRIBE, (config.topic or "").encode())
    section, connects = f"sources.{config.name}", config.link == "connect"
    key = f"{section}.endpoint"
    if guard is None:
        opened = (connect if connects else bind)(socket, config.endpoint, key)
        return socket, opened, None
    budget = (frames + _IN_HAND) * config.max_frame_bytes + KERNEL_BYTES
    opening = Opening(key, config.endpoint, "ingest", budget, section, connects)
    turnstile, endpoint = guard.open(context, socket, opening)
    return socket, endpoint, turnstile
