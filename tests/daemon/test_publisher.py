"""The results socket: when a subscriber may believe that it is subscribed, and what one that is stopped costs."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.publisher import Publisher, send_high_water
from phenostream.daemon.wire.results import WELCOME_TOPIC

Context = zmq.Context[zmq.Socket[bytes]]
URL = "inproc://results"


@pytest.fixture
def context() -> Iterator[Context]:
    context: Context = zmq.Context()
    yield context
    context.term()


@pytest.fixture
def publisher(context: Context, tmp_path: Path) -> Iterator[Publisher]:
    journal = Journal(tmp_path)
    publisher = Publisher(context, URL, 10, journal, dict)
    yield publisher
    publisher.close()
    journal.close()


def test_who_was_welcomed_misses_nothing(context: Context, publisher: Publisher) -> None:
    """Fifty times: the first message after the welcome is the first one published."""
    for number in range(50):
        with context.socket(zmq.SUB) as subscriber:
            subscriber.connect(URL)
            for topic in (b"result", b"highwater", WELCOME_TOPIC):
                subscriber.subscribe(topic)
            while not subscriber.poll(0):
                publisher.welcome_subscribers()
            assert subscriber.recv_multipart() == [WELCOME_TOPIC]
            publisher.publish([Record(number, "result", b"payload")])
            assert subscriber.recv_multipart()[1][-1] == number


def test_a_second_subscriber_is_welcomed_too(context: Context, publisher: Publisher) -> None:
    for _ in range(2):
        subscriber = context.socket(zmq.SUB)
        subscriber.connect(URL)
        subscriber.subscribe(WELCOME_TOPIC)
        while not subscriber.poll(0):
            publisher.welcome_subscribers()
        subscriber.close(0)


def test_a_subscriber_that_does_not_read_costs_no_more_than_its_budget(
    context: Context, publisher: Publisher
) -> None:
    payload = bytes(1 << 20)
    with context.socket(zmq.SUB) as subscriber:
        subscriber.setsockopt(zmq.RCVHWM, 1)
        subscriber.connect(URL)
        subscriber.subscribe(b"")
        publisher.welcome_subscribers()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(500):
            publisher.publish([Record(number, "result", payload)])
        grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 50


@pytest.mark.parametrize("size", [4096, 4096 + 256 * 2000])
def test_stopped_subscribers_cost_no_more_than_the_budget_and_the_others_nothing(
    context: Context, tmp_path: Path, size: int
) -> None:
    """Of small results as many wait as of the largest; one that reads gets each of them."""
    budget = 16 << 20
    journal = Journal(tmp_path / "journal")
    publisher = Publisher(
        context, f"ipc://{tmp_path}/results", send_high_water(budget, 2000), journal, dict
    )
    with ExitStack() as stack:
        stack.callback(journal.close)
        stack.callback(publisher.socket.close, 0)
        readers = [stack.enter_context(context.socket(zmq.SUB)) for _ in range(4)]
        for reader in readers:
            reader.setsockopt(zmq.RCVHWM, 1)
            reader.subscribe(b"result")
            reader.subscribe(WELCOME_TOPIC)
            reader.connect(publisher.endpoint)
            while not reader.poll(10):
                publisher.welcome_subscribers()
        living = readers[0]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        got = 0
        for number in range(200):
            publisher.publish([Record(number, "result", bytes(size))])
            while got <= number:
                assert living.poll(5000)
                got += living.recv_multipart()[0] == b"result"
        grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 16 + 12  # each of four sockets of this process holds two messages besides


def test_the_mark_comes_once_a_second(context: Context, publisher: Publisher) -> None:
    with context.socket(zmq.SUB) as subscriber:
        subscriber.connect(URL)
        subscriber.subscribe(b"")
        publisher.welcome_subscribers()
        waits = [publisher.mark_if_due() for _ in range(5)]
        assert all(0 < wait <= 1.0 for wait in waits)
        assert subscriber.poll(1000)
        assert subscriber.recv_multipart()[0] == b"highwater"
        assert not subscriber.poll(0)


@pytest.mark.parametrize(
    ("budget", "cells", "messages"), [(64 << 20, 2000, 130), (1 << 20, 2000, 2), (1 << 20, 1, 240)]
)
def test_the_queue_of_a_subscriber_follows_from_bytes(
    budget: int, cells: int, messages: int
) -> None:
    assert send_high_water(budget, cells) == messages
