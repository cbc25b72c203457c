"""Strangers at the ingest port: garbage, giants and floods cost little, and an honest source is served meanwhile."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.ingest import Start

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]
LIMITS = '[ingest]\nendpoint = "tcp://127.0.0.1:*"\nmax_frame_bytes = 1048576\n'


def greeting() -> bytes:
    """ZMTP 3.0, NULL mechanism, and the READY command of a DEALER."""
    start = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL".ljust(24, b"\0")
    ready = b"\x05READY\x0bSocket-Type" + (6).to_bytes(4, "big") + b"DEALER"
    return start + bytes(64 - len(start)) + b"\x04" + bytes([len(ready)]) + ready


def hear(stranger: socket.socket, wanted: bytes) -> None:
    """Read until `wanted` came; proves that the handshake succeeded."""
    heard = b""
    while wanted not in heard:
        piece = stranger.recv(4096)
        assert piece, heard
        heard += piece


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def status(endpoint: str) -> dict[str, Any]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.connect(endpoint)
        dealer.send(pack({"v": 1, "id": 1, "type": "status"}))
        assert dealer.poll(10_000)
        answer: dict[str, Any] = unpack_result(dealer.recv())["status"]
        return answer


def honest_run(url: str, start: Start, frame: Image) -> None:
    with Sender(url, "scope") as sender:
        sender.start(start)
        for seq in range(10):
            sender.send(seq, frame)
        assert sender.finish().ledger["published"] == 10


@pytest.fixture
def daemon(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> Any:
    """A warm daemon on TCP that takes parts of at most 1 MiB."""
    daemon = make_daemon(LIMITS)
    daemon.start()
    honest_run(daemon.ready["ingest"], small_start(), small_frame)
    return daemon


def test_garbage_and_broken_greetings_on_the_wire(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    host, port = daemon.ready["ingest"].removeprefix("tcp://").split(":")
    before = resident_mib(daemon.pid)
    for number in range(200):
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall([os.urandom(300), greeting()[:40], greeting(), b""][number % 4])
    honest_run(daemon.ready["ingest"], small_start(), small_frame)
    assert resident_mib(daemon.pid) - before < 20
    assert status(daemon.ready["control"])["state"] == "ready"


def test_a_part_that_announces_eight_gib_closes_the_connection(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    host, port = daemon.ready["ingest"].removeprefix("tcp://").split(":")
    before = resident_mib(daemon.pid)
    with socket.create_connection((host, int(port))) as stranger:
        stranger.settimeout(10)
        stranger.sendall(greeting())
        hear(stranger, b"READY")
        stranger.sendall(b"\x00\x04junk")
        hear(stranger, b"message: ")
        stranger.sendall(b"\x02" + (8 << 30).to_bytes(8, "big") + bytes(1000))
        try:
            while stranger.recv(4096):
                pass
        except ConnectionResetError:
            pass
    honest_run(daemon.ready["ingest"], small_start(), small_frame)
    assert resident_mib(daemon.pid) - before < 20


def test_a_flood_of_malformed_messages_is_counted_and_refused(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    before = resident_mib(daemon.pid)
    flood = 3000
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.setsockopt(zmq.SNDHWM, 0)
        stranger.connect(daemon.ready["ingest"])
        for number in range(flood):
            junk = os.urandom(number % 97)
            stranger.send_multipart([b"\xde\xad" + junk, *[junk] * (number % 5)])
        for _ in range(flood):
            assert stranger.poll(10_000)
            assert unpack_result(stranger.recv())["reason"].startswith("message: ")
        honest_run(daemon.ready["ingest"], small_start(), small_frame)
    assert status(daemon.ready["control"])["ledger"]["total"]["malformed"] == flood
    assert resident_mib(daemon.pid) - before < 20


def test_frames_without_hello_pile_up_nowhere(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    before = resident_mib(daemon.pid)
    start = small_start()
    header = {
        "v": 1,
        "type": "frame",
        "run": start.run,
        "shape": [4, 128, 128],
        "dtype": "u8",
        "source_utc_ns": 1,
    }
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.connect(daemon.ready["ingest"])
        for seq in range(500):
            stranger.send_multipart([pack({**header, "frame_seq": seq}), bytes(1 << 20)])
        for _ in range(500):
            assert stranger.poll(10_000)
            assert unpack_result(stranger.recv())["reason"].startswith("hello first: ")
        honest_run(daemon.ready["ingest"], start, small_frame)
    assert resident_mib(daemon.pid) - before < 40
