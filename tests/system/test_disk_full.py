"""A full disk: nothing is acknowledged, nothing is lost, and all goes on when there is space; two signals force."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client.errors import Cancelled
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.ingest import Ack, FrameHeader, Report, Start
from tests.system.daemon_process import DaemonProcess
from tests.system.patience import becomes

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
    mount_small(daemon, "journal", "size=1m", "head -c 900000 /dev/zero > ballast")
    daemon.start()
    return daemon


def mount_small(daemon: DaemonProcess, name: str, options: str, fill: str = "true") -> None:
    """Have one folder of the daemon on a file system of its own, which `fill` uses up in part."""
    folder = daemon.folder / name
    folder.mkdir()
    script = f'mount -t tmpfs -o {options} none {folder} && (cd {folder} && {fill}) && exec "$@"'
    daemon.prefix = ("unshare", "-m", "sh", "-c", script, "sh")


def seen_by(daemon: DaemonProcess, path: str) -> Path:
    """A path in the daemon's folder, with the file systems that the daemon sees."""
    return Path(f"/proc/{daemon.pid}/root{daemon.folder}/{path}")


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
    assert becomes(lambda: status(endpoint)["state"] == "degraded")


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
    seen_by(cramped, "journal/ballast").unlink()
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


def test_without_a_free_inode_the_next_segment_waits_and_nothing_is_lost(
    make_daemon: Callable[..., DaemonProcess],
    small_start: Callable[..., Start],
    small_frame: Image,
) -> None:
    daemon = make_daemon()
    daemon.journal_extra = "segment_bytes = 65536\n"
    mount_small(daemon, "journal", "size=16m,nr_inodes=32")
    daemon.start()
    used = list(take_all_inodes(seen_by(daemon, "journal")))
    source = Source(daemon.ready["ingest"], small_start(), small_frame)
    source.start()
    assert becomes(lambda: "journal" in status(daemon.ready["control"])["faults"])
    report = status(daemon.ready["control"])
    assert "No space left" in report["faults"]["journal"]
    assert report["fault_history"]["journal"]["count"] == 1
    for path in used:
        path.unlink()
    source.join(40)
    assert source.report is not None
    ledger = source.report.ledger
    assert (ledger["received"], ledger["published"], ledger["missing"]) == (300, 300, 0)
    assert len(list(seen_by(daemon, "journal").glob("*.journal"))) > 1
    assert becomes(lambda: status(daemon.ready["control"])["state"] == "ready")
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def take_all_inodes(folder: Path) -> Iterator[Path]:
    """Empty files until the file system has no inode left."""
    for number in range(64):
        path = folder / f"taken-{number}"
        try:
            path.touch()
        except OSError:
            return
        yield path
    raise AssertionError("inodes without end")


def test_a_full_quarantine_disk_costs_copies_and_no_account(
    make_daemon: Callable[..., DaemonProcess], small_start: Callable[..., Start]
) -> None:
    daemon = make_daemon()
    mount_small(daemon, "quarantine", "size=64k")
    daemon.start()
    start = small_start()
    with Sender(daemon.ready["ingest"], "scope") as sender:
        sender.start(start)
        for seq in range(10):
            header = FrameHeader(
                run=start.run, frame_seq=seq, shape=(4, 64, 64), dtype="u8", source_utc_ns=1
            )
            sender.send_frame(header, bytes(4 * 64 * 64))
        ledger = sender.finish().ledger
    assert (ledger["received"], ledger["quarantined"]) == (10, 10)
    told = status(daemon.ready["control"])["quarantine"]
    assert told["held"] + told["not_kept"] == 10
    assert 0 < told["held"] <= 3
    whole = [path.stem for path in seen_by(daemon, "quarantine").glob("*.json")]
    assert len(whole) == told["held"]
    assert {path.stem for path in seen_by(daemon, "quarantine").glob("*.frame")} == set(whole)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
