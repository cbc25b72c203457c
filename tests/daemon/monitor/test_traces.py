"""Frames are sampled from the result stream; a collector that is away costs spans and nothing else."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from phenostream.daemon.client.errors import Rejected
from phenostream.daemon.monitor import traces
from phenostream.daemon.monitor.spans import Span
from phenostream.daemon.monitor.traces import Traces
from tests.daemon.monitor.test_spans import record

Heard = list[tuple[int, dict[str, Any]]]


class Stream:
    """A result stream that gives out heaps, then nothing."""

    def __init__(self, *heaps: Heard, refuse: bool = False) -> None:
        self.heaps = list(heaps)
        self.refuse = refuse
        self.given_out = threading.Event()

    def heard(self, wait_s: float) -> Iterator[tuple[int, dict[str, Any]]]:
        if self.refuse:
            raise Rejected("ipc://x: our key is not known")
        if self.heaps:
            yield from self.heaps.pop(0)
        else:
            self.given_out.set()

    @contextmanager
    def opened(self) -> Iterator["Stream"]:
        yield self


class Basket:
    """A collector that takes what comes, or nothing."""

    def __init__(self, *takes: bool) -> None:
        self.takes = list(takes)
        self.got: list[Span] = []
        self.asked = threading.Semaphore(0)
        self.closed = False

    def send(self, spans: Sequence[Span]) -> str | None:
        takes = self.takes.pop(0) if self.takes else True
        if takes:
            self.got += spans
        self.asked.release()
        return None if takes else "full"

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_SEND_S", 0.0)


def frames(*numbers: int, **changes: Any) -> Heard:
    return [(number, record(frame_seq=number, **changes)) for number in numbers]


def test_a_collector_that_never_ends_its_answer_does_not_keep_the_monitor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traces, "_END_S", 0.1)
    stream, basket, answered = Stream(frames(0)), Basket(), threading.Event()

    def send(spans: Sequence[Span]) -> None:
        basket.asked.release()
        answered.wait(60)

    monkeypatch.setattr(basket, "send", send)
    with Traces(stream.opened, basket, 1) as running:
        assert basket.asked.acquire(timeout=20)
    assert running.spans == {"sent": 0, "lost": 0}
    answered.set()


def test_one_frame_in_so_many_goes_to_the_collector() -> None:
    stream, basket = Stream(frames(*range(20))), Basket()
    with Traces(stream.opened, basket, 10) as running:
        assert basket.asked.acquire(timeout=20)
    assert [span.attributes["phenostream.frame_seq"] for span in basket.got[::6]] == [0, 10]
    assert running.spans == {"sent": 12, "lost": 0}
    assert basket.closed


def test_what_a_collector_does_not_take_is_counted_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = Stream(*(frames(number) for number in range(4)))
    basket = Basket(False, False, True)
    with caplog.at_level(logging.WARNING), Traces(stream.opened, basket, 1) as running:
        for _ in range(4):
            assert basket.asked.acquire(timeout=20)
    assert running.spans == {"sent": 12, "lost": 12}
    assert [line.message for line in caplog.records] == [
        "the collector takes no traces, which are lost: full",
        "the collector takes traces again",
    ]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_MOST_SPANS", 12)
    stream, basket = Stream(frames(*range(5))), Basket()
    with Traces(stream.opened, basket, 1) as running:
        assert basket.asked.acquire(timeout=20)
    assert running.spans == {"sent": 12, "lost": 18}


@pytest.mark.parametrize(
    "meta",
    [{}, {"frame_seq": "x"}, record(run="no uuid"), record(timing_ms=None), record(frame_seq=-1)],
)
def test_a_record_of_another_version_is_passed_over_and_said_once(
    meta: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    stream, basket = Stream([(7, meta), (8, meta), *frames(1)]), Basket()
    with Traces(stream.opened, basket, 1) as running:
        assert basket.asked.acquire(timeout=20)
    assert running.spans == {"sent": 6, "lost": 0}
    (line,) = caplog.records
    assert line.message == "offset 7: a result of another version, not traced"


def test_a_daemon_that_does_not_let_us_listen_is_said_and_the_monitor_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = Traces(Stream(refuse=True).opened, Basket(), 1)
    with running:
        running._thread.join(20)
    assert "no frame is traced any more: ipc://x: our key is not known" in caplog.text
