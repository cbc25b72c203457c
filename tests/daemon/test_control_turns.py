"""Clients of the control socket take turns, and one that reads no replies costs a bounded amount of memory."""

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from phenostream.daemon.control import Answers, Control
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.codec import pack, unpack_result
from tests.daemon.toy_narration import ToyNarration
from tests.daemon.toy_swaps import ToySwaps

Context = zmq.Context[zmq.Socket[bytes]]
RECORD_BYTES = 1 << 20
GREEDY = 60


class CountedJournal(Journal):
    """Counts how often it was read."""

    reads = 0

    def read(self, since: int) -> Iterator[Record]:
        self.reads += 1
        return super().read(since)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[CountedJournal]:
    journal = CountedJournal(tmp_path)
    for number in range(12):
        journal.append([("result", bytes([number]) * RECORD_BYTES)])
    journal.sync()
    yield journal
    journal.close()


@contextmanager
def serving(
    context: Context, url: str, journal: Journal, status: Callable[[], dict[str, Any]]
) -> Iterator[None]:
    stopping, bound = Wake(), threading.Event()

    def serve() -> None:
        control = Control(
            context,
            url,
            Answers(journal, status, dict, list, lambda: None, ToySwaps(), ToyNarration(), dict),
        )
        bound.set()
        control.run(stopping, lambda: None)
        control.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert bound.wait(10)
    yield
    stopping.set()
    thread.join(10)
    stopping.close()


def request(kind: str, **more: int) -> bytes:
    return pack({"v": 1, "type": kind, "id": 5, **more})


def greedy_peer(context: Context, url: str) -> "zmq.Socket[bytes]":
    """Asks for everything again and again and reads nothing."""
    peer = context.socket(zmq.DEALER)
    peer.setsockopt(zmq.RCVHWM, 1)
    peer.setsockopt(zmq.LINGER, 0)
    peer.connect(url)
    for _ in range(GREEDY):
        peer.send(request("get", since=0, max_bytes=8 << 20))
    return peer


def test_a_greedy_replay_starves_neither_a_status_nor_another_replay(
    journal: CountedJournal,
) -> None:
    """All have asked before the first answer; the others are served within the first turns."""
    url = "inproc://control"
    served: list[int] = []

    def status() -> dict[str, Any]:
        served.append(journal.reads)
        return {}

    with zmq.Context() as context:
        greedy = greedy_peer(context, url)
        with context.socket(zmq.DEALER) as asking, context.socket(zmq.DEALER) as replaying:
            for peer, message in ((asking, "status"), (replaying, "get")):
                peer.connect(url)
                peer.send(request(message, **({} if message == "status" else {"since": 11})))
            with serving(context, url, journal, status):
                assert asking.poll(10_000)
                assert replaying.poll(10_000)
                head, *parts = replaying.recv_multipart()
        greedy.close(0)
    assert served[0] <= 3
    assert unpack_result(head)["n"] == 1
    assert len(parts) == 3


def test_a_peer_that_reads_no_replies_costs_a_bounded_amount(
    journal: CountedJournal, tmp_path: Path
) -> None:
    url = f"ipc://{tmp_path}/control"
    with zmq.Context() as context, serving(context, url, journal, dict):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        greedy = greedy_peer(context, url)
        with context.socket(zmq.DEALER) as asking:
            asking.connect(url)
            while journal.reads < GREEDY:
                asking.send(request("status"))
                assert asking.poll(10_000)
                asking.recv_multipart()
        grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        greedy.close(0)
    assert grown_mib < 20


def test_one_turn_is_a_mebibyte_whatever_was_asked_for(
    journal: CountedJournal, tmp_path: Path
) -> None:
    url = f"ipc://{tmp_path}/control"
    with (
        zmq.Context() as context,
        serving(context, url, journal, dict),
        context.socket(zmq.DEALER) as peer,
    ):
        peer.connect(url)
        peer.send(request("get", since=0, max_bytes=8 << 20))
        assert peer.poll(10_000)
        head, *_ = peer.recv_multipart()
        assert (unpack_result(head)["n"], unpack_result(head)["next"]) == (1, 1)
