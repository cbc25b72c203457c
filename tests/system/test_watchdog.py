"""A real daemon under a watchdog: idle it is fed, and a hang in each of its three places ends that within a second."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.ingest import Start
from tests.system.daemon_process import DaemonProcess
from tests.system.hanging_daemon import NOWHERE, PLACES, hangs
from tests.system.patience import becomes
from tests.system.small_camera import Image

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
LIMIT_S = 2.0
FED = "WATCHDOG=1"
NO_WAY_OUT = 'fallback = "none"\ncall_timeout_s = 3600.0\n'
"""A call that hangs is neither given up on nor made by another engine."""


class Systemd:
    """Its end of the notification socket."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    def hears(self) -> str:
        """The next word; raises `TimeoutError` when systemd would act."""
        self._listener.settimeout(LIMIT_S)
        return self._listener.recv(4096).decode()

    def waits_for(self, start: str) -> str:
        """The next word that begins so."""
        while not (said := self.hears()).startswith(start):
            continue
        return said

    def waits_to_act(self) -> float:
        """Listen until it would act; when it was fed last, `time.monotonic`."""
        last_s = 0.0
        while True:
            try:
                said = self.hears()
            except TimeoutError:
                return last_s
            if FED in said:
                last_s = time.monotonic()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        yield Systemd(listener)


def test_a_hang_anywhere_is_caught_and_an_idle_daemon_is_not(
    systemd: Systemd,
    make_daemon: Callable[..., DaemonProcess],
    tmp_path: Path,
    small_start: Callable[..., Start],
    small_frame: Image,
) -> None:
    daemon, word = make_daemon(NO_WAY_OUT), tmp_path / "place"
    word.write_text(NOWHERE)
    usec = int(1e6 * LIMIT_S)
    daemon.prefix = ("env", f"NOTIFY_SOCKET={tmp_path}/notify", f"WATCHDOG_USEC={usec}")
    module = "tests.system.hanging_daemon"
    run = ("run", "--json", "--config")
    daemon.command = (sys.executable, "-m", module, str(word), *run)
    ready = daemon.start()
    assert "STATUS=serving " in systemd.waits_for("READY=1")
    for _ in range(8):  # 3 s without a frame
        systemd.waits_for(FED)
    with Sender(ready["ingest"], "scope") as sender:
        sender.start(small_start())
        for frame_seq, place in enumerate(PLACES):
            word.write_text(place)
            sender.send(frame_seq, small_frame)
            assert becomes(hangs(word, place).exists)
            hung_s = time.monotonic()
            assert systemd.waits_to_act() < hung_s + 1.0, place
            word.write_text(NOWHERE)
            systemd.waits_for(FED)
        assert sender.finish().ledger["published"] == len(PLACES)
