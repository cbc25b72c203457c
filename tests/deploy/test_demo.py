"""The demo's subscriber: it ends when the run ends, and also when the sender fails and no end will ever come."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from phenostream.daemon.wire.ingest import Report
from phenostream.deploy.demo import watch_one_run
from phenostream.engine.errors import BadRecording


@contextmanager
def results_without_records(url: str) -> Iterator[None]:
    """A daemon's results endpoint that confirms subscriptions and never publishes."""
    stop, bound = threading.Event(), threading.Event()

    def serve() -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            socket.bind(url)
            bound.set()
            while not stop.is_set():
                if socket.poll(20) and socket.recv() == b"\x01welcome":
                    socket.send(b"welcome")

    thread = threading.Thread(target=serve)
    thread.start()
    assert bound.wait(5)
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.timeout(20)
def test_a_sender_that_fails_ends_the_watching_with_its_error(tmp_path: Path) -> None:
    def send() -> Report:
        raise BadRecording("cells.phenorec: byte 12: cut short")

    endpoints = {key: f"ipc://{tmp_path}/{key}" for key in ("results", "control")}
    with (
        results_without_records(endpoints["results"]),
        pytest.raises(BadRecording, match="cut short"),
    ):
        watch_one_run(endpoints, send, lambda _frame: None)
