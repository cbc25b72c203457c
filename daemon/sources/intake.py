"""The ingest thread: reads every door in turn, one message each, and hands answers to the sources that hear them.

Reads nothing while the prepare queue or the commit queue is full: the sources' credit, and the sockets' own bounds,
hold what comes meanwhile. A source that sends without pause gets no more than its turn. Knows doors and clocks; the
rules of the protocol are in the desks behind the doors.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final, Protocol

import zmq

from phenostream.daemon.channel import BEAT_S, Channel, Closed
from phenostream.daemon.crew import Beat
from phenostream.daemon.pipeline.entries import Answer, Entry, ReceivedFrame
from phenostream.daemon.socket_options import Socket
from phenostream.daemon.sources.lossless import LosslessDoor
from phenostream.daemon.wake import Wake

_GREEDY: Final = 16
"""Messages of one door between two looks at the answers."""
_LONGEST_TURN_S: Final = 2 * BEAT_S
"""Who takes longer for one turn did not listen all the time: a queue behind was full."""


class Door(Protocol):
    """Where frames come in: a socket and the desk behind it."""

    @property
    def name(self) -> str:
        """Section of the configuration, and name where there are several."""

    @property
    def endpoint(self) -> str:
        """Where it listens, with the real port."""

    @property
    def socket(self) -> Socket:
        """To poll."""

    def read(self) -> bool:
        """Take one message; False when there is none."""

    def tick(self) -> None:
        """Do what is due; called at least every half second, and at most about as often as messages come."""

    def pause(self, seconds: float) -> None:
        """Nothing was read for so long, through any door."""

    def close(self) -> None:
        """Close the socket."""


@dataclass(frozen=True, slots=True)
class Signs:
    """How other threads speak to this one.

    Attributes:
        attention: Set when there are answers, when the prepare queue has room again, and with `draining`.
        draining: Take nothing new.
    """

    attention: Wake
    draining: Event


class Intake:
    """The body of the ingest thread, and owner of its doors; made, used and closed there."""

    def __init__(self, lossless: LosslessDoor, others: Sequence[Door]) -> None:
        """Own all doors from now on; the lossless one is where answers go."""
        self._lossless = lossless
        self._others = list(others)
        self._doors: deque[Door] = deque([lossless, *others])
        self._pollers: dict[bool, zmq.Poller] = {}
        self._ticked_s = self._turned_s = 0.0

    @property
    def endpoint(self) -> str:
        """Of the lossless door."""
        return self._lossless.endpoint

    @property
    def endpoints(self) -> dict[str, str]:
        """Of every other door, by name."""
        return {door.name: door.endpoint for door in self._others}

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
        self._turned_s = time.monotonic()
        while True:
            beat()
            reading = not (frames.full or entries.full)
            self._wait(signs.attention, reading=reading)
            if signs.draining.is_set() and not draining:
                draining = True
                self._hang_up()
                self._lossless.drain()
                frames.close()
            self._read(frames, entries)
            self._note_turn(reading=reading)
            self._tick()
            try:
                for answer in answers.take_all():
                    self._lossless.answer(answer)
            except Closed:
                return
            if draining and not finished and self._lossless.idle:
                finished = True
                entries.close()

    def close(self) -> None:
        """Close every door; answers that are queued have a second to leave."""
        for door in self._doors:
            door.close()

    def _hang_up(self) -> None:
        """Close the doors of sources that would not learn otherwise that nobody listens."""
        for door in self._others:
            door.close()
        self._doors = deque([self._lossless])
        self._pollers.clear()

    def _wait(self, attention: Wake, *, reading: bool) -> None:
        poller = self._poller(attention, reading=reading)
        if any(what == attention.fileno() for what, _ in poller.poll(int(1000 * BEAT_S))):
            attention.clear()

    def _poller(self, attention: Wake, *, reading: bool) -> zmq.Poller:
        """Made once for either case and kept: with single shots a turn is as short as a message."""
        poller = self._pollers.get(reading)
        if poller is None:
            poller = self._pollers[reading] = zmq.Poller()
            poller.register(attention.fileno(), zmq.POLLIN)
            for door in self._doors if reading else ():
                poller.register(door.socket, zmq.POLLIN)
        return poller

    def _read(self, frames: Channel[ReceivedFrame], entries: Channel[Entry]) -> None:
        silent = 0
        for _ in range(_GREEDY * len(self._doors)):
            if silent == len(self._doors) or frames.full or entries.full:
                return
            door = self._doors[0]
            self._doors.rotate(-1)  # the next one has its turn, also when this look ends here
            silent = 0 if door.read() else silent + 1

    def _note_turn(self, *, reading: bool) -> None:
        """Time in which nothing could be read counts neither against frames that wait for shots nor as a silence."""
        now_s = time.monotonic()
        turn_s, self._turned_s = now_s - self._turned_s, now_s
        for door in self._doors:
            door.pause(unheard_s(turn_s, reading=reading))

    def _tick(self) -> None:
        now_s = time.monotonic()
        if now_s - self._ticked_s >= BEAT_S:
            self._ticked_s = now_s
            for door in self._doors:
                door.tick()


def unheard_s(turn_s: float, *, reading: bool) -> float:
    """How much of a turn of the ingest thread nobody listened: all of it, or what was beyond the longest wait."""
    return max(0.0, turn_s - _LONGEST_TURN_S) if reading else turn_s
