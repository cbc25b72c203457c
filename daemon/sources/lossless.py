"""The socket of lossless ingest: a ROUTER that receives frames without copying them and answers every source.

All rules of the protocol are in `desk`; this module knows sockets and clocks. Made, used and closed in the ingest
thread.
"""

import logging
import time
from typing import Final

import zmq

from phenostream.daemon.config import IngestConfig
from phenostream.daemon.pipeline.entries import Answer
from phenostream.daemon.security.guard import Guard, Opening
from phenostream.daemon.security.turnstile import KERNEL_BYTES, Turnstile
from phenostream.daemon.socket_options import Context, Socket, bind, bounded
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.reception import Clock, Letter
from phenostream.daemon.wire.ingest import encode

logger = logging.getLogger(__name__)

_ANSWERS_QUEUED: Final = 100_000
_FEWEST_FRAMES: Final = 4


class LosslessDoor:
    """The door that answers; see `Door`. What is received through any door is settled at its desk."""

    name: Final = "ingest"

    def __init__(
        self, context: Context, config: IngestConfig, desk: IngestDesk, guard: Guard | None = None
    ) -> None:
        """Bind.

        Raises:
            BadConfig: The endpoint cannot be bound.
        """
        self._desk = desk
        self.socket, self.endpoint, self._turnstile = bound_router(context, config, guard)

    @property
    def idle(self) -> bool:
        """Whether no frame owes a fate and no run its report."""
        return self._desk.idle

    def drain(self) -> None:
        """Take nothing new from now on."""
        self._desk.drain()

    def read(self) -> bool:
        """Take one message and answer it; False when there is none."""
        if not int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:  # an exception would cost more
            return False
        identity, *parts = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        if self._turnstile is not None and not self._turnstile.passes(parts or [identity]):
            return True
        clock = Clock(time.time_ns(), time.monotonic())
        parcel = [part.buffer for part in parts]
        post(self.socket, self._desk.receive(identity.bytes, parcel, clock))
        return True

    def answer(self, answer: Answer) -> None:
        """Tell a source what is on disk."""
        post(self.socket, self._desk.settled(answer))

    def tick(self) -> None:
        """End the frames, through whichever door they came, that have waited too long for their shots."""
        self._desk.expire(Clock(time.time_ns(), time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Nothing was read for so long, through any door: no frame is overdue because of it."""
        self._desk.pause(seconds)

    def close(self) -> None:
        """Close; answers that are queued have a second to leave."""
        self.socket.close()


def bound_router(
    context: Context, config: IngestConfig, guard: Guard | None = None
) -> tuple[Socket, str, Turnstile | None]:
    """A ROUTER with all its limits, listening, its endpoint with the real port, and its turnstile.

    The caller closes it. Without a guard it is open to whoever reaches it, and has no turnstile.

    Raises:
        BadConfig: The endpoint cannot be bound.
    """
    socket = bounded(context.socket(zmq.ROUTER), _ANSWERS_QUEUED, config.max_frame_bytes)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    frames = max(_FEWEST_FRAMES, config.credit_bytes // config.max_frame_bytes)
    socket.setsockopt(zmq.RCVHWM, frames)
    key, most = "ingest.endpoint", config.credit_bytes + 2 * config.max_frame_bytes
    if guard is None:
        return socket, bind(socket, config.endpoint, key), None
    opening = Opening(key, config.endpoint, "ingest", most + KERNEL_BYTES, "ingest")
    turnstile, endpoint = guard.open(context, socket, opening)
    return socket, endpoint, turnstile


def post(socket: Socket, letters: list[Letter]) -> None:
    """Send answers without waiting; one that cannot be sent is not needed: its source will ask again."""
    for peer, message in letters:
        try:
            socket.send_multipart([peer, encode(message)], zmq.NOBLOCK)
        except zmq.Again:
            logger.debug("a source reads no answers: %s not sent", message.type)
        except zmq.ZMQError as err:
            if err.errno != zmq.EHOSTUNREACH:
                raise
            # It went away; it will say HELLO again and resume from what is on disk.
            logger.debug("a source is gone: %s not sent", message.type)
