"""A process beside the daemon that is started again when it dies, and ends with it: the summariser of a single command.

It may die as often as it likes: the daemon does not know of it.
"""

import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from phenostream.daemon.wake import Wake

logger = logging.getLogger(__name__)

FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 60.0
SOUND_S: Final = 60.0
"""One that lived for so long had begun well: the next rest is the first again."""
_REFUSED: Final = 2
"""Exit code of a command that was told something impossible: it would say so again."""
_LEAVING_S: Final = 5.0
_LOOK_S: Final = 1.0
"""Between two looks at a process whose end the kernel does not tell."""


class Sibling:
    """One process at a time; a context manager.

    The thread that starts it lives as long as this does: the kernel ends a process that asked for it with its thread.

    Attributes:
        starts: How often it was started.
    """

    def __init__(
        self, name: str, command: Sequence[str], first_rest_s: float = FIRST_REST_S
    ) -> None:
        """Start nothing yet.

        Args:
            name: For the log.
            command: What to run; it inherits standard error, and has no input and no output.
            first_rest_s: Before it is started again, twice as long after each death, up to a minute.
        """
        self.starts = 0
        self._name, self._command = name, tuple(command)
        self._first_rest_s = first_rest_s
        self._stop, self._stopping = Wake(), False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """SIGTERM, and after 5 s SIGKILL; it is not started again."""
        with self._lock:
            self._stopping = True
            self._stop.set()
            if self._process is not None:
                self._process.send_signal(signal.SIGTERM)
        self._thread.join()
        self._stop.close()

    def _keep(self) -> None:
        rest_s = self._first_rest_s
        while not self._stopping:
            began_s = time.monotonic()
            code = self._run()
            if self._stopping:
                break
            if code in (0, _REFUSED):
                logger.warning("the %s %s; it is not started again", self._name, _how(code))
                break
            lived_s = time.monotonic() - began_s
            rest_s = self._first_rest_s if lived_s >= SOUND_S else rest_s
            logger.warning("the %s %s; it is started again in %g s", self._name, _how(code), rest_s)
            _wait_for(rest_s, self._stop.fileno())
            rest_s = min(2 * rest_s, LONGEST_REST_S)

    def _run(self) -> int:
        """One life; its exit code, negative for a signal."""
        with self._lock:
            if self._stopping:
                return 0
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # keys pressed in a terminal are for the daemon
                )
            except OSError as err:
                logger.warning("the %s cannot be started: %s", self._name, err.strerror or err)
                return 1
            process = self._process
            self.starts += 1
        code = self._ended(process)
        with self._lock:
            self._process = None
        return code

    def _ended(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for its end, for long only while we are not to stop; asleep all the while."""
        try:
            end = os.pidfd_open(process.pid)
        except OSError:  # no descriptor is free, or a kernel that has none of this kind
            return self._seen_to_end(process)
        try:
            _wait_for(None, end, self._stop.fileno())
            if not _wait_for(_LEAVING_S, end):
                process.kill()
            return process.wait()
        finally:
            os.close(end)

    def _seen_to_end(self, process: "subprocess.Popen[bytes]") -> int:
        """The same, by looking once a second."""
        while process.poll() is None and not _wait_for(_LOOK_S, self._stop.fileno()):
            continue
        try:
            return process.wait(_LEAVING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _wait_for(longest_s: float | None, *descriptors: int) -> bool:
    """Whether one of them became readable; None waits for ever."""
    poller = select.poll()  # select.select knows none above 1023, and a daemon may have more
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(None if longest_s is None else 1000 * longest_s))


def _how(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
