"""Peers that take too much: endless messages, floods of topics and of connections: cut, while others are served."""

import os
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client import Control, Sender, Subscriber
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.ingest import Start

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]
MIB = 1 << 20
CONFIG = """
[security]
most_peers = 16
[ingest]
endpoint = "tcp://127.0.0.1:*"
max_frame_bytes = 1048576
credit_bytes = 1048576
[results]
endpoint = "tcp://127.0.0.1:*"
[control]
endpoint = "tcp://127.0.0.1:*"
[[sources]]
name = "pushed"
socket = "pull"
endpoint = "tcp://127.0.0.1:*"
max_frame_bytes = 1048576
receive_budget_bytes = 1048576
"""
KINDS = {"ingest": b"DEALER", "control": b"DEALER", "results": b"SUB", "pushed": b"PUSH"}
SERVED_S = 3.0
MOST_MIB = 200
"""The budget of 36 MiB, and what comes in between two looks on a busy box."""


@contextmanager
def stranger(url: str, kind: bytes) -> Iterator[socket.socket]:
    """A plain ZMTP 3.0 peer after its handshake."""
    host, port = url.removeprefix("tcp://").split(":")
    start = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL"
    body = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    with socket.create_connection((host, int(port)), 10) as wire:
        wire.sendall(start.ljust(64, b"\0") + b"\x04" + bytes([len(body)]) + body)
        heard = b""
        while b"READY" not in heard:
            heard += wire.recv(4096)
        yield wire


def until_cut(wire: socket.socket, piece: bytes, most: int) -> Iterator[None]:
    """Send the same again and again, and see that the daemon ends it."""
    for _ in range(most):
        try:
            wire.sendall(piece)
        except ConnectionError:
            return
        yield
    pytest.fail("was never cut")


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def honest_run(url: str, start: Start, frame: Image) -> None:
    settings = SenderSettings(connect_timeout_s=20)
    with Sender(url, "scope", settings) as sender:
        sender.start(start)
        for seq in range(10):
            sender.send(seq, frame)
        assert sender.finish().ledger["published"] == 10


def sockets(daemon: Any) -> dict[str, Any]:
    with Control(daemon.ready["control"], timeout_s=20) as control:
        told: dict[str, Any] = control.status()["security"]["sockets"]
        return told


@pytest.fixture
def daemon(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> Any:
    """A warm daemon on tcp with small budgets and room for 16 connections a socket."""
    daemon = make_daemon(CONFIG)
    daemon.start()
    honest_run(daemon.ready["ingest"], small_start(), small_frame)
    return daemon


@pytest.mark.parametrize("name", KINDS)
def test_a_message_that_never_ends_is_cut_off(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image, name: str
) -> None:
    url = daemon.ready.get(name) or daemon.ready["sources"][name]
    size = MIB if name in ("ingest", "pushed") else 60_000
    part = b"\x03" + struct.pack(">Q", size) + bytes(size)  # long, and more to come
    before = resident_mib(daemon.pid)
    with stranger(url, KINDS[name]) as wire:
        peak = max(
            resident_mib(daemon.pid) - before for _ in until_cut(wire, part, 1500 * MIB // size)
        )
    assert peak < MOST_MIB
    honest_run(daemon.ready["ingest"], small_start(), small_frame)
    key = f"sources.{name}" if name == "pushed" else name
    assert sockets(daemon)[key]["over_budget"] == 1
    assert "a connection sent without end" in daemon.log.read_text()


def test_an_honest_source_is_never_cut_however_long_it_speaks(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    start = small_start()
    with Sender(daemon.ready["ingest"], "scope") as sender:
        sender.start(start)
        for seq in range(800):  # 50 MiB through a budget of 36 MiB
            sender.send(seq, small_frame)
        assert sender.finish().ledger["published"] == 800
        assert sender.counts.reconnects == 0
    assert sockets(daemon)["ingest"]["over_budget"] == 0


def test_a_flood_of_topics_ends_with_its_connection(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    before = resident_mib(daemon.pid)
    with Subscriber(daemon.ready["results"], daemon.ready["control"]) as results:
        results.wait_subscribed()
        topics = b"".join(b"\x00\x15\x01" + os.urandom(20) for _ in range(1000))
        with stranger(daemon.ready["results"], b"SUB") as wire:
            for _ in until_cut(wire, topics, 1000):
                pass
        honest_run(daemon.ready["ingest"], small_start(), small_frame)
        seen = [record for record in results.until_end() if record.topic == "result"]
    assert len(seen) == 10
    assert sockets(daemon)["results"]["over_budget"] == 1
    assert resident_mib(daemon.pid) - before < 100


def test_four_hundred_silent_connections_lock_nobody_out(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (256, 256))
    host, port = daemon.ready["ingest"].removeprefix("tcp://").split(":")
    with ExitStack() as silent:
        for _ in range(400):
            silent.enter_context(socket.create_connection((host, int(port)), 10))
        began_s = time.monotonic()
        honest_run(daemon.ready["ingest"], small_start(), small_frame)
        served_s = time.monotonic() - began_s
        assert descriptors(daemon.pid) < 256
    assert served_s < SERVED_S
    assert sockets(daemon)["ingest"]["over_cap"] >= 300


def test_connections_that_shook_hands_and_say_nothing_give_way(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    with zmq.Context() as context, ExitStack() as idle:
        for _ in range(40):
            dealer = idle.enter_context(context.socket(zmq.DEALER))
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.setsockopt(zmq.RECONNECT_IVL, -1)
            dealer.connect(daemon.ready["ingest"])
        honest_run(daemon.ready["ingest"], small_start(), small_frame)
    assert sockets(daemon)["ingest"]["over_cap"] >= 24


def test_a_routing_id_cannot_be_taken_over(daemon: Any) -> None:
    request = pack({"v": 1, "id": 7, "type": "status"})
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as first,
        context.socket(zmq.DEALER) as thief,
    ):
        for dealer in (first, thief):
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.setsockopt(zmq.ROUTING_ID, b"scope-1")
        first.connect(daemon.ready["control"])
        first.send(request)
        assert first.poll(10_000)
        assert unpack_result(first.recv())["id"] == 7
        thief.connect(daemon.ready["control"])
        thief.send(request)
        first.send(request)
        assert first.poll(10_000)  # the answers to this id go where they went before
        assert unpack_result(first.recv())["id"] == 7
        assert not thief.poll(300)
