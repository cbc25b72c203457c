"""A daemon as a child process, for `demo` and `bench`: its own folder, its own endpoints, stopped with its parent.

Start it from a thread that lives as long as it should: the kernel ends it with that thread.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from phenostream.engine.errors import EngineFault

_READY_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 60.0
_CPU_CLOCK: Final = 2
"""Kind of a process's clock: the scheduler's, in ns (Linux)."""

PROGRAM: Final = (sys.executable, "-P", "-m", "phenostream.deploy.cli")
"""Without the folder that it is started in, whose ``random.py`` is none of ours."""


@dataclass(slots=True)
class DaemonChild:
    """`phenostream run` in a process of its own; a context manager.

    Attributes:
        folder: Where its configuration, sockets, journal and log are put; short, as ipc paths are limited to 107 bytes.
        settings: TOML lines appended to the configuration; may name sections [model], [limits] and so on.
        program: What runs the command line; another one to run it with something changed.
        ready: What the daemon said when it was ready: endpoints, model, start-up time.
    """

    folder: Path
    settings: str
    program: tuple[str, ...] = PROGRAM
    ready: dict[str, Any] = field(init=False, default_factory=dict)
    _process: "subprocess.Popen[bytes]" = field(init=False)

    def __enter__(self) -> Self:
        """Start and wait until it is ready.

        Raises:
            EngineFault: It ended or said nothing within a minute; the text ends with its last log line.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.toml"
        config.write_text(self.settings)
        command = [
            *self.program,
            "run",
            "--json",
            "--config",
            str(config),
            "--with-parent",
            str(os.getpid()),
        ]
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                command, stdout=subprocess.PIPE, stderr=log, env=_environment()
            )
        try:
            self.ready = self._await_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Drain; after a minute, kill."""
        self.stop()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def resident_mib(self) -> float:
        """Resident memory now, MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def descriptors(self) -> int:
        """Open file descriptors now."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def threads(self) -> int:
        """Threads now."""
        return len(os.listdir(f"/proc/{self.pid}/task"))

    @property
    def cpu_s(self) -> float:
        """See `cpu_s_of`."""
        return cpu_s_of(self.pid)

    def stop(self) -> int:
        """SIGTERM, wait, and the exit code; harmless when it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            if self._process.stdout:
                self._process.stdout.close()

    def _await_ready(self) -> dict[str, Any]:
        stdout = self._process.stdout
        if stdout is None:
            raise EngineFault("the daemon's output is not connected")
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while (left := deadline - time.monotonic()) > 0:
            if select.select([stdout], [], [], left)[0]:
                line = stdout.readline()
                if not line:
                    raise EngineFault(f"the daemon ended before it was ready: {self._last_words()}")
                said = json.loads(line)
                if isinstance(said, dict) and said.get("event") == "ready":
                    return said
        raise EngineFault(
            f"the daemon was not ready within {_READY_TIMEOUT_S:.0f} s: {self._last_words()}"
        )

    def _last_words(self) -> str:
        lines = (self.folder / "daemon.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it logged nothing"


def cpu_s_of(pid: int) -> float:
    """CPU time of all threads of a process since it began, seconds: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK)


def child_settings(bundle: str) -> str:
    """The least configuration: defaults, with every endpoint and file in the child's folder.

    Args:
        bundle: Path of the model bundle, or ``demo``.
    """
    return f'[journal]\ndirectory = "journal"\n[model]\nbundle = {json.dumps(bundle)}\n'


def _environment() -> dict[str, str]:
    """This environment, with numeric libraries pinned to one thread each: the daemon makes its own threads."""
    pins = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **pins}
