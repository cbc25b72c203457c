"""A disk that fails under the journal ends the daemon in one clear line; what was acknowledged is in the journal."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.client.errors import Unreachable
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.lifecycle import FAILED, GOOD
from phenostream.daemon.wire.ingest import Ack
from tests.system.served import Served
from tests.system.small_camera import small_frame, small_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    ("call", "number"), [("fdatasync", errno.EIO), ("write", errno.EIO), ("write", errno.EROFS)]
)
def test_a_failed_disk_is_said_once_and_the_source_sends_again_after_a_restart(
    tmp_path: Path,
    toy_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: str,
    number: int,
) -> None:
    served = Served(tmp_path, toy_bundle)
    served.start()
    url, start = served.ingest, small_start()
    acks: list[Ack] = []
    good: Callable[..., Any] = getattr(os, call)
    calls: list[int] = []

    def fails(fd: int, *rest: Any) -> Any:
        if "journal" in os.readlink(f"/proc/self/fd/{fd}"):
            calls.append(fd)
            if len(calls) > 3:
                raise OSError(number, os.strerror(number))
        return good(fd, *rest)

    monkeypatch.setattr(os, call, fails)
    with Sender(url, "scope", SenderSettings(reconnect_timeout_s=0.5)) as sender:
        sender.on_ack = acks.append
        sender.start(start)
        with pytest.raises(Unreachable, match="not acknowledged"):
            _send_all(sender)
    served.join(30)
    assert served.code == FAILED
    lines = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert "the disk failed; nothing since the last acknowledgement is promised" in lines[0]
    assert os.strerror(number) in lines[0]
    monkeypatch.setattr(os, call, good)
    again = Served(tmp_path, toy_bundle)
    again.start()
    with Sender(again.ingest, "scope") as sender:
        known = sender.start(start).last_acked
        ledger = _send_all(sender, 0 if known is None else known + 1)
    assert (ledger["received"], ledger["published"], ledger["missing"]) == (40, 40, 0)
    seqs = [frame.meta["frame_seq"] for frame in again.frames()]
    assert sorted(seqs) == list(range(40))
    assert {ack.frame_seq for ack in acks} <= set(seqs)
    assert again.drain() == GOOD


def _send_all(sender: Sender, first: int = 0) -> dict[str, int]:
    for seq in range(first, 40):
        sender.send(seq, small_frame())
    return sender.finish().ledger
