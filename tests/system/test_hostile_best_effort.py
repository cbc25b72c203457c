"""Strangers at a port that answers nothing: garbage, giants and floods are counted, and an honest source is served."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client import Control
from phenostream.daemon.client.best_effort_sender import BestEffortSender, BestEffortSettings
from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.wire.ingest import FrameHeader, Start, encode

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]
SOURCES = """
[[sources]]
name = "pushed"
socket = "pull"
endpoint = "tcp://127.0.0.1:*"
max_frame_bytes = 1048576
receive_budget_bytes = 8388608
[[sources]]
name = "heard"
socket = "sub"
endpoint = "tcp://127.0.0.1:*"
max_frame_bytes = 1048576
"""
SOCKETS = {"pushed": (zmq.PUSH, b"PUSH"), "heard": (zmq.XPUB, b"XPUB")}
OUTCOMES = ("starts", "frames", "ends", "unstarted", "refused", "malformed")


def greeting(kind: bytes) -> bytes:
    """ZMTP 3.0, NULL mechanism, and the READY command of a socket of this kind."""
    start = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL".ljust(24, b"\0")
    ready = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return start + bytes(64 - len(start)) + b"\x04" + bytes([len(ready)]) + ready


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def told(daemon: Any, name: str, messages: int) -> dict[str, Any]:
    """What the status says of a source once it has heard so many messages."""
    with Control(daemon.ready["control"]) as control:
        while True:
            source: dict[str, Any] = control.status()["sources"][name]
            if source["messages"] >= messages:
                assert source["messages"] == sum(source[outcome] for outcome in OUTCOMES)
                return source


def honest_run(daemon: Any, name: str, start: Start, image: Image) -> None:
    """Ten frames, all of them published."""
    way = BestEffortSettings("push" if name == "pushed" else "pub", high_water=100, ends=1)
    with BestEffortSender(daemon.ready["sources"][name], way) as sender:
        sender.reach()
        sender.start(start)
        for seq in range(10):
            sender.send(SourceFrame(seq, image))
        sender.finish()
        with Control(daemon.ready["control"]) as control:
            ledger: dict[str, int] = {}
            while ledger.get("published") != 10:
                ledger = control.status()["ledger"]["runs"].get(start.run, {})
    assert ledger["announced"] == 10


@pytest.fixture
def daemon(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> Any:
    """A warm daemon whose two foreign ports are on TCP and take parts of at most 1 MiB."""
    daemon = make_daemon(SOURCES)
    daemon.start()
    honest_run(daemon, "pushed", small_start(), small_frame)
    return daemon


@pytest.mark.parametrize("name", SOCKETS)
def test_garbage_broken_greetings_and_giants_on_the_wire(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image, name: str
) -> None:
    host, port = daemon.ready["sources"][name].removeprefix("tcp://").split(":")
    hello = greeting(SOCKETS[name][1])
    giant = b"\x02" + (8 << 30).to_bytes(8, "big") + bytes(1000)
    before = resident_mib(daemon.pid)
    for number in range(200):
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall([os.urandom(300), hello[:40], hello, hello + giant][number % 4])
    with socket.create_connection((host, int(port))) as stranger:
        stranger.settimeout(10)
        stranger.sendall(hello + b"\x00\x04junk" + giant)
        try:
            while stranger.recv(4096):
                pass  # until it hangs up, because of the giant
        except ConnectionResetError:
            pass
    honest_run(daemon, name, small_start(), small_frame)
    assert resident_mib(daemon.pid) - before < 20
    with Control(daemon.ready["control"]) as control:
        assert control.status()["state"] == "ready"


@pytest.mark.parametrize("name", SOCKETS)
def test_a_flood_of_malformed_messages_is_counted(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image, name: str
) -> None:
    before, begun = resident_mib(daemon.pid), told(daemon, name, 0)["messages"]
    flood = 3000
    with zmq.Context() as context, context.socket(SOCKETS[name][0]) as stranger:
        stranger.setsockopt(zmq.SNDHWM, 0)
        stranger.connect(daemon.ready["sources"][name])
        if name == "heard":
            assert stranger.recv() == b"\x01"  # it listens from here on
        for number in range(flood):
            junk = os.urandom(number % 97)
            stranger.send_multipart([b"\xde\xad" + junk, *[junk] * (number % 5)])
        assert told(daemon, name, begun + flood)["malformed"] == flood
    honest_run(daemon, name, small_start(), small_frame)
    with Control(daemon.ready["control"]) as control:
        assert control.status()["ledger"]["total"]["malformed"] == flood
    assert resident_mib(daemon.pid) - before < 20


def test_frames_without_a_start_pile_up_nowhere(
    daemon: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    before, begun = resident_mib(daemon.pid), told(daemon, "pushed", 0)["messages"]
    with zmq.Context() as context, context.socket(zmq.PUSH) as stranger:
        stranger.connect(daemon.ready["sources"]["pushed"])
        for seq in range(500):
            header = {"run": small_start().run, "frame_seq": seq, "shape": (4, 128, 128)}
            message = FrameHeader.model_validate(header | {"dtype": "u8", "source_utc_ns": 1})
            stranger.send_multipart([encode(message), bytes(1 << 20)])
        assert told(daemon, "pushed", begun + 500)["unstarted"] == 500
    honest_run(daemon, "pushed", small_start(), small_frame)
    assert resident_mib(daemon.pid) - before < 40
    assert len(daemon.log.read_text().splitlines()) < 300
