"""The gate's thread: answers libzmq's question who is let in, and shuts down connections that take too much.

Its end is the daemon's end (`Crew`); without it libzmq lets nobody in who needs a key (ZAP_ENFORCE_DOMAIN).
"""

import logging
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Final

import zmq

from phenostream.daemon.channel import BEAT_S
from phenostream.daemon.crew import Beat, Crew
from phenostream.daemon.health import Health
from phenostream.daemon.security import zap
from phenostream.daemon.security.guard import Guard, Watched
from phenostream.daemon.socket_options import Context, Socket
from phenostream.daemon.wake import Wake

logger = logging.getLogger(__name__)

SWEEP_S: Final = 0.05
_SWEEP_S_A_CONNECTION: Final = 0.001
"""About a hundred times what a look at one connection costs, so that looking never takes more than 1 % of a core."""
_LOG_S: Final = 1.0
_BOUND_S: Final = 5.0
_EVENT: Final = struct.Struct("=HI")
_STOPPED: Final = int(zmq.Event.MONITOR_STOPPED)


class Gate:
    """Made, used and closed in one thread, before any socket it guards is bound."""

    def __init__(self, context: Context, guard: Guard) -> None:
        """Answer for keys from now on."""
        self._guard = guard
        self.endpoint = zap.ENDPOINT
        self._zap = context.socket(zmq.REP)
        self._zap.setsockopt(zmq.LINGER, 0)
        self._zap.bind(zap.ENDPOINT)
        self._poller = zmq.Poller()
        self._poller.register(self._zap, zmq.POLLIN)
        self._poller.register(guard.wake.fileno(), zmq.POLLIN)
        self._watched: dict[Socket, Watched] = {}
        self._swept_s = time.monotonic()
        self._logged_s = 0.0
        self._unlogged = 0

    def run(self, stopping: Wake, beat: Beat) -> None:
        """Serve until `stopping` is set."""
        self._poller.register(stopping.fileno(), zmq.POLLIN)
        while True:
            beat()
            ready = dict(self._poller.poll(int(1000 * self._patience_s())))
            if stopping.fileno() in ready:
                return
            self._guard.wake.clear()
            self._take_new()
            if self._zap in ready:
                self._answer()
            for monitor in [one for one in self._watched if one in ready]:
                self._follow(self._watched[monitor])
            if self._guard.changed.is_set():
                self._remove()
            self._sweep()

    def close(self) -> None:
        """Close; connections stay as they are, and nobody comes in any more."""
        self._take_new()
        for monitor in self._watched:
            monitor.close(0)
        self._zap.close(0)

    def _patience_s(self) -> float:
        period_s = self._period_s()
        return min(BEAT_S, period_s) if period_s else BEAT_S

    def _period_s(self) -> float:
        """Between two looks at the connections; 0 when there is none to look at."""
        counted = sum(one.connections.counted for one in self._watched.values())
        return max(SWEEP_S, counted * _SWEEP_S_A_CONNECTION) if counted else 0.0

    def _take_new(self) -> None:
        while self._guard.new:
            watched = self._guard.new.popleft()
            self._watched[watched.monitor] = watched
            self._poller.register(watched.monitor, zmq.POLLIN)

    def _answer(self) -> None:
        verdict = zap.judge(self._zap.recv_multipart(), self._guard.current())
        self._zap.send_multipart(verdict.parts)
        if verdict.user is None:
            self._guard.refused()
            self._warn("refused: %s", verdict.told)

    def _follow(self, watched: Watched) -> None:
        monitor = watched.monitor
        while int(monitor.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            event, value = _EVENT.unpack(monitor.recv_multipart()[0])
            if event == _STOPPED:
                self._poller.unregister(monitor)
                del self._watched[monitor]
                monitor.close(0)
                return
            if event == zmq.Event.DISCONNECTED:
                watched.connections.closed(value)
            elif not watched.connections.opened(value, ours=event == zmq.Event.CONNECTED):
                self._warn("%s: too many connections, one was shut down", watched.key)

    def _remove(self) -> None:
        """Whoever was taken off the list goes now; at the turnstile nothing of theirs passes since it was changed."""
        self._guard.changed.clear()
        users = self._guard.current().users
        for one in self._watched.values():
            if gone := one.connections.remove(users.__contains__):
                logger.info("%s: %d connections of removed keys shut down", one.key, gone)

    def _sweep(self) -> None:
        now_s = time.monotonic()
        if now_s - self._swept_s < min(BEAT_S, self._period_s()):
            return
        elapsed_s, self._swept_s = now_s - self._swept_s, now_s
        for one in self._watched.values():
            if one.connections.sweep(elapsed_s):
                self._warn("%s: a connection sent without end, it was shut down", one.key)

    def _warn(self, line: str, *facts: object) -> None:
        """At most one line a second: who floods must not fill the disk with our words."""
        now_s = time.monotonic()
        if now_s - self._logged_s < _LOG_S:
            self._unlogged += 1
            return
        more = f" (and {self._unlogged} such before)" if self._unlogged else ""
        self._logged_s, self._unlogged = now_s, 0
        logger.warning(line + "%s", *facts, more)


@contextmanager
def gate_of_its_own(context: Context, guard: Guard, on_end: Callable[[], None]) -> Iterator[None]:
    """A gate for a program that has no crew: its thread lives as long as the block.

    Args:
        context: Of the program's sockets, closed after the block.
        guard: Opens them, inside the block.
        on_end: Called when the thread has ended, by itself or with the block.

    Raises:
        BaseException: What the thread died of, at the end of the block.
    """
    crew, stopping, bound = Crew(Health(), on_end), Wake(), Event()

    def body(beat: Beat) -> None:
        gate = Gate(context, guard)
        bound.set()
        try:
            gate.run(stopping, beat)
        finally:
            gate.close()

    crew.on_abort(stopping.set)
    crew.start("gate", body)
    try:
        bound.wait(_BOUND_S)
        yield
    finally:
        stopping.set()
        crew.join(_BOUND_S)
        stopping.close()
        guard.close()
    if crew.failure is not None:
        raise crew.failure[1]
