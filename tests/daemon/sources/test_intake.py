"""The ingest thread reads its doors in turn, stops while a queue is full, and closes foreign doors when it drains."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from phenostream.daemon.channel import Channel
from phenostream.daemon.pipeline.entries import Answer, Entry, ReceivedFrame
from phenostream.daemon.socket_options import Context
from phenostream.daemon.sources.intake import Intake, Signs, unheard_s
from phenostream.daemon.wake import Wake


class FakeDoor:
    """A PULL with a sender that has sent already; what is read goes to a list that all doors share."""

    def __init__(self, context: Context, name: str, sent: int, read: Callable[[str], None]) -> None:
        self.name = self.endpoint = f"inproc://{name}"
        self.socket = context.socket(zmq.PULL)
        self.socket.bind(self.endpoint)
        self.sender = context.socket(zmq.PUSH)
        self.sender.connect(self.endpoint)
        for _ in range(sent):
            self.sender.send(b"")
        self._take = read
        self.idle = True
        self.drained = False

    def read(self) -> bool:
        try:
            self.socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._take(self.name.removeprefix("inproc://"))
        return True

    def tick(self) -> None: ...

    def pause(self, seconds: float) -> None: ...

    def drain(self) -> None:
        self.drained = True

    def answer(self, answer: Answer) -> None: ...

    def close(self) -> None:
        self.socket.close(0)
        self.sender.close(0)


class Desk:
    """Doors on one intake, and what was read in which order; every message takes a place in `frames`."""

    def __init__(self, sent: dict[str, int], places: int) -> None:
        self.context: Context = zmq.Context()
        self.order: list[str] = []
        self.frames: Channel[ReceivedFrame] = Channel(places)
        self.entries: Channel[Entry] = Channel(None)
        self.answers: Channel[Answer] = Channel(None)
        self.signs = Signs(Wake(), threading.Event())
        self.doors = [FakeDoor(self.context, name, n, self.read) for name, n in sent.items()]
        lossless: Any = self.doors[0]
        self.intake = Intake(lossless, self.doors[1:])

    def read(self, name: str) -> None:
        self.order.append(name)
        item: Any = name
        self.frames.put(item)

    def look(self) -> None:
        """Read once, as the thread does after a poll."""
        self.intake._read(self.frames, self.entries)

    def close(self) -> None:
        for door in self.doors:
            door.close()
        self.context.term()
        self.signs.attention.close()


@pytest.fixture
def make_desk() -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(places: int, **sent: int) -> Desk:
        made.append(Desk(sent, places))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


def test_a_greedy_source_gets_no_more_than_its_turn(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(1, quiet=5, greedy=500, other=5)
    while len(desk.order) < 15:
        desk.look()
        desk.frames.take_all()
    assert desk.order == ["quiet", "greedy", "other"] * 5


def test_what_is_left_of_the_others_turns_is_used(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(100, quiet=1, greedy=20)
    while len(desk.order) < 21:
        desk.look()
    assert sorted(desk.order) == ["greedy"] * 20 + ["quiet"]


def test_nothing_is_read_while_a_queue_is_full(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(2, one=5, two=5)
    desk.look()
    desk.look()
    assert desk.order == ["one", "two"]


def test_a_drain_closes_the_doors_of_those_who_are_not_answered(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(100, lossless=0, foreign=0)
    desk.signs.draining.set()
    desk.answers.close()
    desk.intake.run(desk.frames, desk.entries, desk.answers, desk.signs, lambda: None)
    lossless, foreign = desk.doors
    assert lossless.drained
    assert foreign.socket.closed
    assert not lossless.socket.closed


@pytest.mark.parametrize(
    ("turn_s", "reading", "unheard"),
    [(0.3, True, 0.0), (0.3, False, 0.3), (9.0, True, 8.0), (9.0, False, 9.0), (0.0, True, 0.0)],
)
def test_only_a_turn_that_could_read_counts_and_no_longer_than_a_turn_waits(
    turn_s: float, reading: bool, unheard: float
) -> None:
    assert unheard_s(turn_s, reading=reading) == pytest.approx(unheard)
