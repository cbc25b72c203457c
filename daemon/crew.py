"""Threads that live and die together: the first that fails stops all, and its exception reaches the owner."""

import logging
import threading
import time
from collections.abc import Callable

from phenostream.daemon.channel import Aborted
from phenostream.daemon.health import Health

logger = logging.getLogger(__name__)

Beat = Callable[[], None]


class Crew:
    """The daemon's threads.

    Attributes:
        failure: Name of the first thread that died and its exception.
    """

    def __init__(self, health: Health, on_end: Callable[[], None]) -> None:
        """Make an empty crew; `on_end` wakes the owner whenever a thread has ended."""
        self.failure: tuple[str, BaseException] | None = None
        self._health = health
        self._on_end = on_end
        self._threads: list[threading.Thread] = []
        self._abort_calls: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def on_abort(self, call: Callable[[], None]) -> None:
        """Have `call` end a thread's waits when the crew is aborted."""
        self._abort_calls.append(call)

    def start(self, name: str, body: Callable[[Beat], None]) -> None:
        """Run `body` in a thread; it returns when its work is done and calls `Beat` at least every half second."""
        thread = threading.Thread(target=self._run, args=(name, body), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def abort(self) -> None:
        """End every wait; threads leave with what they hold."""
        for call in self._abort_calls:
            call()

    def join(self, timeout_s: float) -> list[str]:
        """Wait for all threads; the names of those that have not ended in time."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def running(self) -> set[str]:
        """Names of the threads that have not ended."""
        return {thread.name for thread in self._threads if thread.is_alive()}

    def _run(self, name: str, body: Callable[[Beat], None]) -> None:
        def beat() -> None:
            self._health.beat(name)

        beat()
        try:
            body(beat)
        except Aborted:
            logger.debug("thread %s: aborted", name)
        except BaseException as err:
            self._fail(name, err)
        finally:
            self._health.rest(name)
            self._on_end()

    def _fail(self, name: str, err: BaseException) -> None:
        with self._lock:
            first = self.failure is None
            if first:
                self.failure = (name, err)
        if first:
            logger.critical("thread %s died: %s", name, err, exc_info=err)
            self.abort()
