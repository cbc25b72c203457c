"""A full disk: nothing is acknowledged, nothing is lost, and all goes on when there is space; two signals force."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client.errors import Cancelled
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.ingest import Ack, Report, Start

Image = np.ndarray[Any, Any]


def _can_mount() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        return False
    trial = [unshare, "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not _can_mount(), reason="needs the right to mount a small tmpfs"),
]


@pytest.fixture
def cramped(make_daemon: Callable[..., Any]) -> Any:
    """A daemon whose journal lies on a file system of 1 MiB, most of it taken by a ballast file."""
    daemon = make_daemon()
    folder = daemon.folder / "journal"
    folder.mkdir()
    script = (
        f"mount -t tmpfs -o size=1m none {folder} && "
        f'head -c 900000 /dev/zero > {folder}/ballast && exec "$@"'
    )
    daemon.prefix = ("unshare", "-m", "sh", "-c", script, "sh")
    daemon.start()
    return daemon


def status(endpoint: str) -> dict[str, Any]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.connect(endpoint)
        dealer.send(pack({"v": 1, "id": 1, "type": "status"}))
        assert dealer.poll(10_000)
        answer: dict[str, Any] = unpack_result(dealer.recv())["status"]
        return answer


class Source(threading.Thread):
    """Sends 300 frames and finishes, or is cancelled."""

    def __init__(self, url: str, start: Start, frame: Image) -> None:
        super().__init__(daemon=True)
        self.url, self.start_message, self.frame = url, start, frame
        self.acked: list[int] = []
        self.report: Report | None = None
        self.cancel = threading.Event()

    def run(self) -> None:
        with (
            contextlib.suppress(Cancelled),
            Sender(self.url, "scope", cancel=self.cancel) as sender,
        ):
            sender.on_ack = self.note
            sender.start(self.start_message)
            for seq in range(300):
                sender.send(seq, self.frame)
            self.report = sender.finish()

    def note(self, ack: Ack) -> None:
        self.acked.append(ack.frame_seq)


def wait_until_degraded(endpoint: str) -> None:
    deadline = threading.Event()
    for _ in range(400):
        if status(endpoint)["state"] == "degraded":
            return
        deadline.wait(0.05)
    raise AssertionError("never degraded")


def test_a_full_disk_degrades_and_heals_without_losing_a_frame(
    cramped: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    source = Source(cramped.ready["ingest"], small_start(), small_frame)
    source.start()
    wait_until_degraded(cramped.ready["control"])
    report = status(cramped.ready["control"])
    assert "No space left" in report["faults"]["journal"]
    assert len(source.acked) == report["ledger"]["total"]["published"] < 300
    assert report["ledger"]["total"]["in_flight"] > 0
    Path(f"/proc/{cramped.pid}/root{cramped.folder}/journal/ballast").unlink()
    source.join(40)
    assert source.report is not None
    ledger = source.report.ledger
    assert (ledger["received"], ledger["published"], ledger["missing"]) == (300, 300, 0)
    assert status(cramped.ready["control"])["state"] == "ready"
    cramped.send(signal.SIGTERM)
    assert cramped.wait() == 0


def test_a_second_signal_forces_a_drain_that_cannot_end(
    cramped: Any, small_start: Callable[..., Start], small_frame: Image
) -> None:
    source = Source(cramped.ready["ingest"], small_start(), small_frame)
    source.start()
    wait_until_degraded(cramped.ready["control"])
    cramped.send(signal.SIGTERM)
    for _ in range(400):
        if status(cramped.ready["control"])["state"] == "draining":
            break
    cramped.send(signal.SIGINT)
    assert cramped.wait() == 1
    assert "sources will send them again" in cramped.log.read_text()
    source.cancel.set()
    source.join(20)
