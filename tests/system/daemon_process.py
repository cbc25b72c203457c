"""A real daemon process on the fake backend, to be killed, drained and started again."""

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "phenostream.deploy.cli", "run", "--json", "--config")
READY_TIMEOUT_S = 40.0


class NotReady(AssertionError):
    """The daemon ended, or said something else, instead of becoming ready."""


@dataclass
class DaemonProcess:
    """One daemon: a configuration folder, and the process that runs on it now.

    Attributes:
        extra: TOML appended to the configuration, whose last section is ``[model]``.
        journal_extra: Further lines of its section [journal].
        prefix: Command in front of the daemon's, which it must replace by `exec`.
        backend: What infers.
        journal_extra: TOML for the section ``[journal]``.
        command: What starts the daemon; the configuration's path follows.
        ready: What the process said when it was ready.
    """

    folder: Path
    bundle: Path
    extra: str = ""
    prefix: tuple[str, ...] = ()
    command: tuple[str, ...] = COMMAND
    backend: str = "fake"
    journal_extra: str = ""
    ready: dict[str, Any] = field(default_factory=dict)
    _process: "subprocess.Popen[str] | None" = None

    def __post_init__(self) -> None:
        self.log = self.folder / "stderr.log"
        self.config = self.folder / "daemon.toml"

    def start(self) -> dict[str, Any]:
        """Start, and wait until it is ready."""
        process = self.spawn()
        output: IO[str] | None = process.stdout
        assert output is not None
        readable, _, _ = select.select([output], [], [], READY_TIMEOUT_S)
        line = output.readline() if readable else ""
        self.ready = json.loads(line or "{}")
        if self.ready.get("event") != "ready":
            raise NotReady(self.ready.get("reason") or self.log.read_text()[-4000:])
        return self.ready

    def spawn(self) -> "subprocess.Popen[str]":
        """Start without waiting."""
        self.config.write_text(
            f'[journal]\ndirectory = "journal"\n{self.journal_extra}'
            f'[model]\nbundle = "{self.bundle}"\nbackend = "{self.backend}"\n{self.extra}'
        )
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*self.prefix, *self.command, str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": _python_path()},
            )
        return self._process

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        assert self._process is not None
        code = self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9, if it still runs."""
        if self._process is not None:
            self._process.kill()
            self.wait()


def _python_path() -> str:
    """The tests, for daemons with a fault planted, in front of where this process finds its modules."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
