"""A daemon process under the rig's runner: recorded, broken on purpose if wanted, killed in ways of its own."""

import json
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.chaos.controls import CONTROLS
from tests.system.chaos.promise import Setting
from tests.system.chaos.simulated_disk import Places
from tests.system.daemon_process import READY_TIMEOUT_S, DaemonProcess, NotReady

RUNNER = (sys.executable, "-m", "tests.system.chaos.runner")


class FaultyDaemon(DaemonProcess):
    """As `DaemonProcess`; its journal's syncs are recorded, and a control of the daemon is planted.

    Attributes:
        journal: Its journal's directory.
        places: What `cut_power` needs.
        unrecorded: The command without the recorder, for a journal on a file system of its own.
    """

    def __init__(self, setting: Setting, folder: Path, extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, setting.bundle, extra)
        self.journal = folder / "journal"
        self.journal.mkdir(mode=0o700, exist_ok=True)
        self.places = Places.beside(self.journal)
        control = CONTROLS.get(setting.broken or "")
        planted = ("--break", setting.broken) if control and control.where == "daemon" else ()
        self.unrecorded = (*RUNNER, *filter(None, planted))
        self._runner = (*self.unrecorded, "--journal", str(self.journal))
        self.command = self._runner

    def start_to_die(self, side: str, at: int) -> bool:
        """Start a daemon that dies at one side of its sync number `at`; whether it became ready before."""
        self.command = (*self._runner, "--die", side, "--at", str(at))
        try:
            output = self.spawn().stdout
        finally:
            self.command = self._runner
        assert output is not None
        readable, _, _ = select.select([output], [], [], READY_TIMEOUT_S)
        assert readable, f"neither ready nor dead: {self.log.read_text()[-2000:]}"
        said = output.readline()
        if said and json.loads(said).get("event") != "ready":
            raise NotReady(said)
        return bool(said)


@contextmanager
def faulty_daemon(setting: Setting, name: str = "d", extra: str = "") -> Iterator[FaultyDaemon]:
    """One in a folder of its own, killed at the end if it still runs."""
    daemon = FaultyDaemon(setting, setting.folder / name, extra)
    try:
        yield daemon
    finally:
        daemon.kill()
