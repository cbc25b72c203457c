"""No descriptor left: the journal waits, what cannot be kept is counted, and all goes on when there are some again."""

import os
import resource
import signal
from collections.abc import Callable

import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.errors import Refusal
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.ingest import FrameHeader, Start
from tests.system.daemon_process import DaemonProcess
from tests.system.patience import becomes
from tests.system.small_camera import small_frame, small_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
ROOMY = (1024, 1024)


def forbid_more(daemon: DaemonProcess) -> None:
    """From now on the process can open nothing: its limit is its lowest free descriptor."""
    used = {int(name) for name in os.listdir(f"/proc/{daemon.pid}/fd")}
    lowest = min(set(range(len(used) + 1)) - used)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (lowest, ROOMY[1]))


def allow_more(daemon: DaemonProcess) -> None:
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, ROOMY)


def broken(start: Start, seq: int) -> tuple[FrameHeader, bytes]:
    """A frame of another shape than START announced."""
    header = FrameHeader(
        run=start.run, frame_seq=seq, shape=(4, 64, 64), dtype="u8", source_utc_ns=1
    )
    return header, bytes(4 * 64 * 64)


def test_without_a_free_descriptor_the_journal_waits_and_nothing_is_lost(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon()
    daemon.journal_extra = "segment_bytes = 65536\n"
    daemon.start()
    with (
        Control(daemon.ready["control"]) as control,
        Sender(daemon.ready["ingest"], "scope") as sender,
    ):
        sender.start(small_start())
        sender.send(0, small_frame())
        assert becomes(lambda: control.status()["ledger"]["total"]["published"] == 1)
        forbid_more(daemon)
        seq = 1
        while "journal" not in control.status()["faults"]:
            sender.send(seq, small_frame())
            seq += 1
        status = control.status()
        assert "Too many open files" in status["faults"]["journal"]
        with pytest.raises(Refusal, match="Too many open files"):
            control.get(0)
        assert becomes(lambda: "descriptors" in control.status()["faults"])
        allow_more(daemon)
        assert becomes(lambda: control.status()["state"] == "ready")
        for more in range(seq, seq + 20):
            sender.send(more, small_frame())
        ledger = sender.finish().ledger
        assert (ledger["received"], ledger["published"]) == (seq + 20, seq + 20)
        with Control(daemon.ready["control"]) as again:
            assert again.get(0).records
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_frames_that_cannot_be_kept_in_quarantine_are_counted_and_have_their_fate(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon()
    daemon.start()
    with (
        Control(daemon.ready["control"]) as control,
        Sender(daemon.ready["ingest"], "scope") as sender,
    ):
        start = small_start()
        sender.start(start)
        sender.send(0, small_frame())
        assert becomes(lambda: control.status()["ledger"]["total"]["published"] == 1)
        forbid_more(daemon)
        for seq in range(1, 6):
            sender.send_frame(*broken(start, seq))
        assert becomes(lambda: control.status()["quarantine"]["not_kept"] == 5)
        allow_more(daemon)
        sender.send_frame(*broken(start, 6))
        ledger = sender.finish().ledger
        assert (ledger["published"], ledger["quarantined"]) == (1, 6)
        assert control.status()["quarantine"]["held"] == 1
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
