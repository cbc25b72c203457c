"""Who listens to one topic hears that one, in order, without columns; what is no record is passed over."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client.listener import Listener
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import (
    WELCOME_TOPIC,
    FrameRecord,
    Topic,
    WireColumn,
    encode_frame,
    encode_offset,
)

MOST_AT_ONCE = 256


class Publisher:
    """An XPUB that welcomes as the daemon does, when it is told to."""

    def __init__(self, url: str) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(url)

    def publish(self, topic: str, offset: int, payload: bytes) -> None:
        self.socket.send_multipart([topic.encode(), encode_offset(offset), payload])

    def welcome(self, listener: Listener) -> None:
        """Until `listener` knows that it is subscribed."""
        while not listener.subscribed:
            while self.socket.poll(10):
                if self.socket.recv() == b"\x01" + WELCOME_TOPIC:
                    self.socket.send(WELCOME_TOPIC)
            assert list(listener.heard(0.1)) == []

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/r"


@pytest.fixture
def publisher(url: str) -> Iterator[Publisher]:
    there = Publisher(url)
    yield there
    there.close()


def heard(listener: Listener, least: int) -> list[tuple[int, dict[str, Any]]]:
    """What came, once it is that much."""
    got: list[tuple[int, dict[str, Any]]] = []
    late = time.monotonic() + 20
    while len(got) < least:
        assert time.monotonic() < late
        got += listener.heard(1.0)  # nothing, where only what is passed over was there
    return got


@pytest.mark.parametrize(("topic", "offsets"), [("summary", [1, 4]), ("result", [0, 2, 5])])
def test_only_its_topic_comes_in_order(
    publisher: Publisher, url: str, topic: Topic, offsets: list[int]
) -> None:
    with Listener(url, topic) as listener:
        publisher.welcome(listener)
        for offset, kind in enumerate(
            ("result", "summary", "result", "status", "summary", "result")
        ):
            publisher.publish(kind, offset, pack({"v": 1, "type": kind}))
        got = heard(listener, len(offsets))
    assert [offset for offset, _ in got] == offsets
    assert {body["type"] for _, body in got} == {topic}


def test_a_results_columns_are_stepped_over(publisher: Publisher, url: str) -> None:
    columns = {"y_px": WireColumn(np.zeros(9, np.float32), "px")}
    with Listener(url, "result") as listener:
        publisher.welcome(listener)
        publisher.publish("result", 7, encode_frame(FrameRecord({"frame_seq": 3}, columns)))
        ((offset, meta),) = heard(listener, 1)
    assert (offset, meta) == (7, {"v": 1, "type": "result", "frame_seq": 3})


def test_what_is_no_record_is_passed_over(publisher: Publisher, url: str) -> None:
    with Listener(url, "result") as listener:
        publisher.welcome(listener)
        publisher.socket.send_multipart([b"result", b"short", pack({})])
        publisher.socket.send_multipart([b"result", b"no third part"])
        publisher.publish("result", 1, b"\xc1")
        publisher.publish("result", 2, pack({"good": True}))
        assert heard(listener, 1) == [(2, {"good": True})]


def test_one_call_ends_however_much_there_is(publisher: Publisher, url: str) -> None:
    with Listener(url, "result") as listener:
        publisher.welcome(listener)
        for offset in range(3 * MOST_AT_ONCE):
            publisher.publish("result", offset, pack({}))
        calls: list[int] = []
        while sum(calls) < 3 * MOST_AT_ONCE:
            calls.append(len(list(listener.heard(20.0))))
            assert calls[-1]
    assert max(calls) <= MOST_AT_ONCE
