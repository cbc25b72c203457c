"""Threads that live and die together: the first that fails stops all, and its exception reaches the owner."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar

from phenostream.daemon.channel import Aborted
from phenostream.daemon.health import Health
from phenostream.engine.errors import BadConfig

logger = logging.getLogger(__name__)

Beat = Callable[[], None]
_LOOK_S: Final = 0.1
_BIND_TIMEOUT_S: Final = 10.0


class Bound(Protocol):
    """Owns a socket; made, used and closed in one thread."""

    @property
    def endpoint(self) -> str:
        """Where it listens, with the real port."""

    def close(self) -> None:
        """Close the socket."""


S = TypeVar("S", bound=Bound)


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
        self._given_up: set[str] = set()
        self._abort_calls: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def on_abort(self, call: Callable[[], None]) -> None:
        """Have `call` end a thread's waits when the crew is aborted."""
        self._abort_calls.append(call)

    def start(self, name: str, body: Callable[[Beat], None]) -> None:
        """Run `body` in a thread; it returns when its work is done and calls `Beat` at least every half second."""
        thread = threading.Thread(target=self._run, args=(name, body), name=name, daemon=True)
        with self._lock:
            self._threads = [*self._threads, thread]
        thread.start()

    def start_bound(self, name: str, make: Callable[[], S], use: Callable[[S, Beat], None]) -> str:
        """Start a thread that makes, uses and closes a socket, and wait until it is bound; its endpoint.

        Raises:
            BadConfig: It cannot be bound.
        """
        bound: Future[str] = Future()

        def body(beat: Beat) -> None:
            try:
                socket = make()
            except BadConfig as err:
                bound.set_exception(err)
                return
            try:
                bound.set_result(socket.endpoint)
                use(socket, beat)
            finally:
                socket.close()

        self.start(name, body)
        return bound.result(_BIND_TIMEOUT_S)

    def give_up(self, name: str) -> None:
        """Wait no longer for a thread that is stuck in a call nobody can end; it neither beats nor counts any more."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.name != name]
            self._given_up.add(name)
        self._health.rest(name)

    def abort(self) -> None:
        """End every wait; threads leave with what they hold."""
        for call in self._abort_calls:
            call()

    def join(self, timeout_s: float) -> list[str]:
        """Wait for all threads; the names of those that have not ended in time."""
        deadline = time.monotonic() + timeout_s
        while alive := [thread for thread in self._threads if thread.is_alive()]:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            alive[0].join(min(left_s, _LOOK_S))  # it may be given up on meanwhile
        return [thread.name for thread in alive]

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
            if name not in self._given_up:  # what it would wake may be closed by now
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
