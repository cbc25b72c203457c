"""A summariser beside a daemon, for the benchmarks: started, watched for how busy it is, stopped, hung or killed.

How busy is read from the kernel's account of its processes: the time in which one of them ran, and the time in which
one was ready and waited for a core. A summariser behind all others that gets no core is as busy as one that gets all.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from phenostream.daemon.client.control import Control
from phenostream.deploy.child import PROGRAM
from phenostream.engine.errors import EngineFault

_READY_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 30.0
_LOOK_S: Final = 0.1
"""Between two questions whether the daemon knows a summariser yet."""


class Used(NamedTuple):
    """Nanoseconds of a thread since it began: on a core, and ready for one."""

    ran: int
    waited: int


class BusySummariser:
    """`phenostream summariser` on the configuration of a daemon that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        """Wrap what was started.

        Args:
            process: The summariser; the model is in a child of it.
            log: What it says on standard error.
        """
        self._process = process
        self._log = log

    @property
    def pids(self) -> list[int]:
        """The summariser and all that it started, as far as they are alive."""
        return list(_family(self._process.pid))

    def used(self) -> dict[int, Used]:
        """So far, by thread."""
        return {int(task.parent.name): _used(task) for pid in self.pids for task in _tasks(pid)}

    def hang(self) -> None:
        """SIGSTOP to all of it: it keeps its memory and its connections, and does nothing."""
        self._send(signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        self._send(signal.SIGKILL)

    def last_words(self) -> str:
        """The last line that it logged."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it logged nothing"

    def _send(self, number: signal.Signals) -> None:
        for pid in self.pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # it ended between the two
                continue


@contextmanager
def busy_summariser(folder: Path, control_url: str) -> Iterator[BusySummariser]:
    """A summariser that the daemon knows, on any core of the box; it is ended at the end, and with this thread.

    Args:
        folder: Of the daemon child: its configuration is used.
        control_url: Of the daemon.

    Raises:
        EngineFault: It ended, or the daemon did not know one within a minute.
    """
    log = folder / "summariser.log"
    config = ["--config", str(folder / "config.toml"), "--with-parent", str(os.getpid())]
    command = [*PROGRAM, "summariser", *config]
    with log.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command, stdout=subprocess.DEVNULL, stderr=file
        )
    try:
        os.sched_setaffinity(process.pid, range(os.cpu_count() or 1))
        summariser = BusySummariser(process, log)
        _await_known(summariser, process, control_url)
        yield summariser
    finally:
        _end(process)


def _await_known(
    summariser: BusySummariser, process: "subprocess.Popen[bytes]", control_url: str
) -> None:
    """Until the daemon's status names its language model."""
    began = time.monotonic()
    with Control(control_url) as control:
        while (since := time.monotonic() - began) < _READY_TIMEOUT_S:
            try:
                process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                if is_heard(control.status(), since):
                    return
                continue
            raise EngineFault(f"bench summariser: it ended: {summariser.last_words()}")
    raise EngineFault(
        f"bench summariser: unknown to the daemon after {_READY_TIMEOUT_S:.0f} s: {summariser.last_words()}"
    )


def is_heard(status: dict[str, Any], since_s: float) -> bool:
    """Whether a summariser with a model told the daemon of itself in the last `since_s` seconds."""
    told = status["summariser"]
    return told["heard_s"] is not None and told["heard_s"] < since_s and told["llm"] is not None


def _end(process: "subprocess.Popen[bytes]") -> None:
    family = list(_family(process.pid))
    for pid in family:
        try:
            os.kill(pid, signal.SIGCONT)  # one that hangs must be able to end
        except ProcessLookupError:
            continue
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        children = [Path(f"/proc/{pid}/task/{task}/children").read_text() for task in tasks]
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in " ".join(children).split():
        yield from _family(int(child))


def _tasks(pid: int) -> list[Path]:
    """The kernel's account of each thread of a process; none of one that has ended."""
    try:
        return [
            Path(f"/proc/{pid}/task/{task}/schedstat") for task in os.listdir(f"/proc/{pid}/task")
        ]
    except FileNotFoundError:
        return []


def _used(account: Path) -> Used:
    """Nothing of a thread that has ended."""
    try:
        ran, waited, _ = account.read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return Used(0, 0)
    return Used(int(ran), int(waited))
