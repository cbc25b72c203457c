"""A process of the rig that tells what it sees line by line, and may be stopped, killed and started again.

What it wrote before it died is heard: a pipe keeps it. A line without its end counts for nothing.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from tests.system.daemon_process import ROOT

PATIENCE_S: Final = 60.0


class LineProcess:
    """One program of this folder at a time.

    Args:
        module: The program, a module of `tests.system.chaos`.
        take: Called with each line, in a thread of its own, under the lock of `wait_for`.
    """

    def __init__(self, module: str, take: Callable[[str], None]) -> None:
        self._command = (sys.executable, "-m", f"tests.system.chaos.{module}")
        self._take = take
        self._news = threading.Condition()

    def start(self, plan: dict[str, Any]) -> None:
        """Begin: the program reads the plan as one JSON line."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(plan) + "\n")
        self._process.stdin.flush()
        self._reader = threading.Thread(target=self._hear, args=(self._process,), daemon=True)
        self._reader.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9; all that it told is heard afterwards. Harmless when it has ended."""
        self._process.kill()
        self._close()

    def end_input(self) -> None:
        """Tell the program that it is enough."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait_for_end(self) -> None:
        """However long it takes."""
        self._process.wait()
        self._close()

    def join(self) -> bool:
        """Wait for its end; False, and a kill, after a minute."""
        self._reader.join(PATIENCE_S)
        ended = not self._reader.is_alive()
        self.kill()
        return ended

    def wait_for(self, wanted: Callable[[], bool]) -> bool:
        """Until it is so; False if the process ended before, or a minute went by."""
        with self._news:
            self._news.wait_for(lambda: wanted() or not self._reader.is_alive(), PATIENCE_S)
            return wanted()

    def _close(self) -> None:
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()

    def _hear(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n"):
                with self._news:
                    self._take(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()
