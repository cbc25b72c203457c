"""Whether the daemon works: its state, what is degraded, and when each thread last showed life."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

State = Literal["starting", "ready", "draining", "stopped"]


@dataclass(slots=True)
class _Record:
    """One fault's past: how often it opened, and when it last opened or closed."""

    count: int = 0
    changed_s: float = 0.0
    changed_utc_ns: int = 0
    reason: str = ""

    def change(self) -> None:
        self.changed_s, self.changed_utc_ns = time.monotonic(), time.time_ns()


class Health:
    """Shared by all threads. A fault has a name, so that who recovers takes back just his own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state: State = "starting"
        self._faults: dict[str, str] = {}
        self._past: dict[str, _Record] = {}
        self._beats: dict[str, float] = {}
        self._looked_s: float | None = None

    def enter(self, state: State) -> None:
        """Move to a state."""
        with self._lock:
            self._state = state

    def degrade(self, name: str, reason: str) -> bool:
        """Report a fault; True when it is new, so that the caller logs it once per burst."""
        with self._lock:
            new = name not in self._faults
            self._faults[name] = reason
            past = self._past.setdefault(name, _Record())
            past.reason = reason
            if new:
                past.count += 1
                past.change()
        return new

    def recover(self, name: str) -> bool:
        """Take a fault back; True when it was there."""
        if name not in self._faults:  # asked after every batch
            return False
        with self._lock:
            was_open = self._faults.pop(name, None) is not None
            if was_open:
                self._past[name].change()
        return was_open

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

    def quiet(self, limit_s: float) -> list[str]:
        """Threads that have shown no life for `limit_s` seconds, whatever kept them from it."""
        now = time.monotonic()
        with self._lock:
            return [name for name, beat in self._beats.items() if now - beat > limit_s]

    def stalled(self, limit_s: float) -> list[str]:
        """Threads that have shown no life for `limit_s` seconds.

        Where the last look is as long ago, their time begins anew: what kept the looker from looking, a stopped process
        or a clock that jumped, kept the others from showing life.
        """
        now = time.monotonic()
        with self._lock:
            before, self._looked_s = self._looked_s, now
            if before is not None and now - before > limit_s:
                self._beats = dict.fromkeys(self._beats, now)
            return sorted(name for name, beat in self._beats.items() if now - beat > limit_s)

    def past(self) -> dict[str, dict[str, Any]]:
        """Every fault since the start: open or not and since when, its last reason, how often it opened."""
        now = time.monotonic()
        with self._lock:
            return {
                name: {
                    "open": name in self._faults,
                    "reason": past.reason,
                    "count": past.count,
                    "for_s": round(now - past.changed_s, 1),
                    "since_utc_ns": past.changed_utc_ns,
                }
                for name, past in self._past.items()
            }

    def snapshot(self) -> dict[str, Any]:
        """State and open faults as plain values."""
        with self._lock:
            state = self._state
            faults = dict(self._faults)
        name = "degraded" if faults and state == "ready" else state
        return {"state": name, "faults": faults}
