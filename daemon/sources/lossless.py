"""The ingest thread: a ROUTER that receives frames without copying them and acknowledges what is on disk.

Reads nothing while the prepare queue or the commit queue is full: the sources' credit, and the socket's own bound, hold
what comes meanwhile. All rules of the protocol are in `desk`; this module knows sockets and clocks.
"""

import logging
import time
from dataclasses import dataclass
from threading import Event
from typing import Final

import zmq

from phenostream.daemon.channel import BEAT_S, Channel, Closed
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.crew import Beat
from phenostream.daemon.pipeline.entries import Answer, Entry, ReceivedFrame
from phenostream.daemon.socket_options import Context, Socket, bind, bounded
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.reception import Clock, Letter
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.ingest import encode

logger = logging.getLogger(__name__)

_ANSWERS_QUEUED: Final = 100_000
_FEWEST_FRAMES: Final = 4
_GREEDY: Final = 16


@dataclass(frozen=True, slots=True)
class Signs:
    """How other threads speak to this one.

    Attributes:
        attention: Set when there are answers, when the prepare queue has room again, and with `draining`.
        draining: Take nothing new.
    """

    attention: Wake
    draining: Event


class LosslessSource:
    """The socket of the ingest thread; made, used and closed there."""

    def __init__(self, context: Context, config: IngestConfig, desk: IngestDesk) -> None:
        """Bind.

        Raises:
            BadConfig: The endpoint cannot be bound.
        """
        self._desk = desk
        self._socket, self.endpoint = bound_router(context, config)

    def run(
        self,
        frames: Channel[ReceivedFrame],
        entries: Channel[Entry],
        answers: Channel[Answer],
        signs: Signs,
        beat: Beat,
    ) -> None:
        """Serve until a drain was asked for, every received frame has its fate and every answer is sent."""
        draining = finished = False
        while True:
            beat()
            self._wait(signs.attention, reading=not (frames.full or entries.full))
            if signs.draining.is_set() and not draining:
                draining = True
                self._desk.drain()
                frames.close()
            self._read(frames, entries)
            try:
                for answer in answers.take_all():
                    post(self._socket, self._desk.settled(answer))
            except Closed:
                return
            if draining and not finished and self._desk.idle:
                finished = True
                entries.close()

    def close(self) -> None:
        """Close; answers that are queued have a second to leave."""
        self._socket.close()

    def _wait(self, attention: Wake, *, reading: bool) -> None:
        poller = zmq.Poller()
        poller.register(attention.fileno(), zmq.POLLIN)
        if reading:
            poller.register(self._socket, zmq.POLLIN)
        poller.poll(int(1000 * BEAT_S))
        attention.clear()

    def _read(self, frames: Channel[ReceivedFrame], entries: Channel[Entry]) -> None:
        for _ in range(_GREEDY):
            if frames.full or entries.full:
                return
            try:
                identity, *parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            clock = Clock(time.time_ns(), time.monotonic())
            parcel = [part.buffer for part in parts]
            post(self._socket, self._desk.receive(identity.bytes, parcel, clock))


def bound_router(context: Context, config: IngestConfig) -> tuple[Socket, str]:
    """A ROUTER with all its limits, listening, and its endpoint with the real port; the caller closes it.

    Raises:
        BadConfig: The endpoint cannot be bound.
    """
    socket = bounded(context.socket(zmq.ROUTER), _ANSWERS_QUEUED, config.max_frame_bytes)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    frames = max(_FEWEST_FRAMES, config.credit_bytes // config.max_frame_bytes)
    socket.setsockopt(zmq.RCVHWM, frames)
    return socket, bind(socket, config.endpoint, "ingest.endpoint")


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
