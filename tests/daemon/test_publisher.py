"""The results socket: when a subscriber may believe that it is subscribed, and what one that is stopped costs."""

import resource
from collections.abc import Iterator
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
