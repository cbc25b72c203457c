"""Whether the daemon works: its state, what is degraded, and when each thread last showed life."""

import time
from threading import Lock
from typing import Any, Literal

State = Literal["starting", "ready", "draining", "stopped"]


class Health:
    """Shared by all threads. A fault has a name, so that who recovers takes back just his own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state: State = "starting"
        self._faults: dict[str, str] = {}
        self._beats: dict[str, float] = {}

    def enter(self, state: State) -> None:
        """Move to a state."""
        with self._lock:
            self._state = state

    def degrade(self, name: str, reason: str) -> bool:
        """Report a fault; True when it is new, so that the caller logs it once per burst."""
        with self._lock:
            new = name not in self._faults
            self._faults[name] = reason
        return new

    def recover(self, name: str) -> bool:
        """Take a fault back; True when it was there."""
        with self._lock:
            return self._faults.pop(name, None) is not None

    @property
    def degraded(self) -> bool:
        """Whether any fault is open."""
        return bool(self._faults)

    def faults(self) -> tuple[str, ...]:
        """Names of the open faults, the oldest first."""
        return tuple(self._faults) if self._faults else ()

    def beat(self, thread: str) -> None:
        """A thread shows that it makes progress or waits for work."""
        with self._lock:
            self._beats[thread] = time.monotonic()

    def rest(self, thread: str) -> None:
        """A thread has ended: no further beat is expected."""
        with self._lock:
            self._beats.pop(thread, None)

    def stalled(self, limit_s: float) -> list[str]:
        """Threads that have shown no life for `limit_s` seconds."""
        now = time.monotonic()
        with self._lock:
            return sorted(name for name, beat in self._beats.items() if now - beat > limit_s)

    def snapshot(self) -> dict[str, Any]:
        """State and open faults as plain values."""
        with self._lock:
            state = self._state
            faults = dict(self._faults)
        name = "degraded" if faults and state == "ready" else state
        return {"state": name, "faults": faults}
