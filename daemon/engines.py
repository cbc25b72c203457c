"""Which backend serves: the configured one, or while it is down the next row of the table that works.

A row that is down is tried again with the golden crops, never with people's cells, at a rate that halves from once a
second to once a minute while it stays down. Another row is opened when it is needed for the first time, and must give
the golden outputs of the same bundle. Knows backends and one monotonic clock; knows no frame and starts no thread.
"""

import logging
import threading
import time
import weakref
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from phenostream.engine.backends.protocol import Backend
from phenostream.engine.errors import EngineFault, PhenostreamError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
LEAST_LIMIT_S: Final = 10.0
_LIMIT_OF_BATCH: Final = 100.0
"""A call may take this many times what a full batch took at the start: far beyond what a busy box makes of it."""
WEAKEST_FIRST: Final = ("int8", "bf16", "fp16", "fp32")


@dataclass(frozen=True, slots=True)
class Engine:
    """Who inferred, as results say it."""

    backend: str
    device: str
    precision: str


class Opener(Protocol):
    """Makes the backends of one bundle."""

    def open(self, name: str) -> tuple[Backend, float]:
        """A warm backend that gave the golden outputs, and the seconds a full batch took; raises `PhenostreamError`."""

    def test(self, backend: Backend) -> None:
        """Raises `PhenostreamError` unless the backend gives the golden outputs."""


@dataclass(slots=True, eq=False)
class Row:
    """One row of the table, as this process stands to it.

    Attributes:
        owner: Whose row it is; no more than that, so that engines nobody needs any more are freed at once.
        backend: None until it was opened.
        limit_s: Longest time one call may take.
        reason: Why it is down; None while it is up.
        since_s: Monotonic clock when it went up or down.
        next_try_s: Likewise, when a row that is down is tried again.
        outages: How often it went down.
        stuck: Calls that were given up on and have not returned.
        trying: A trial of it is under way.
    """

    name: str
    owner: "weakref.ref[Engines]"
    backend: Backend | None = None
    limit_s: float = LEAST_LIMIT_S
    reason: str | None = None
    since_s: float = field(default_factory=time.monotonic)
    next_try_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    outages: int = 0
    stuck: int = 0
    trying: bool = False

    @property
    def engines(self) -> "Engines":
        """Whose row it is.

        Raises:
            EngineFault: They are gone.
        """
        engines = self.owner()
        if engines is None:
            raise EngineFault(f"{self.name}: closed")
        return engines

    @property
    def engine(self) -> Engine:
        """Who it is; the row must be open."""
        backend = self.opened
        return Engine(backend.name, backend.device, backend.precision)

    @property
    def opened(self) -> Backend:
        """The backend of a row that is open.

        Raises:
            EngineFault: It is not.
        """
        if self.backend is None:
            raise EngineFault(f"{self.name}: not loaded")
        return self.backend


class Engines:
    """The rows of one bundle, the configured one first. Safe from any thread."""

    def __init__(
        self,
        primary: Backend,
        opener: Opener,
        fallbacks: tuple[str, ...] = (),
        *,
        batch_s: float = 0.0,
        call_timeout_s: float = 0.0,
    ) -> None:
        """Begin with the primary up and the others not opened.

        Args:
            primary: Warm; closed with this.
            opener: Of the same bundle.
            fallbacks: Rows that may take over, best first.
            batch_s: What a full batch took the primary.
            call_timeout_s: Longest time of one call; 0: 10 s, or 100 times what a full batch took at the start.
        """
        self._opener = opener
        self._call_timeout_s = call_timeout_s
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        owner = weakref.ref(self)
        first = Row(primary.name, owner, primary, self._limit_s(batch_s))
        self._rows = (first, *(Row(name, owner) for name in fallbacks))
        self._closed = False

    @property
    def primary(self) -> Backend:
        """What was configured, or what `auto` chose."""
        return self._rows[0].opened

    @property
    def serving(self) -> Engine:
        """Who serves now, or the primary where none does."""
        up = (row for row in self._rows if row.backend is not None and row.reason is None)
        return next(up, self._rows[0]).engine

    @property
    def outages(self) -> int:
        """How often the primary went down."""
        return self._rows[0].outages

    @property
    def degraded(self) -> bool:
        """Whether the primary is down."""
        return self._rows[0].reason is not None

    def choose(self) -> Row | None:
        """The first row that is up, opened if need be; None where all are down."""
        for row in self._rows:
            if row.reason is None and (row.backend is not None or self._is_open(row)):
                return row
        return None

    def hope(self) -> Row | None:
        """Where all rows are down: the first that has no stuck call, and may therefore be tried by a caller."""
        return next((row for row in self._rows if row.backend is not None and not row.stuck), None)

    def due(self) -> list[Row]:
        """Rows that are down and whose time for a trial has come; each must be given to `test` now."""
        now_s = time.monotonic()
        with self._lock:
            due = [
                row
                for row in self._rows
                if not self._closed
                and row.reason is not None
                and not row.trying
                and now_s >= row.next_try_s
            ]
            for row in due:
                row.trying = True
        return due

    def prove(self, row: Row) -> None:
        """Raises `PhenostreamError` unless a row that is open gives the golden outputs now."""
        try:
            self._opener.test(row.opened)
        except PhenostreamError:
            raise
        except Exception as err:  # a runtime that is down may raise anything
            raise _ours(row, err) from err

    def test(self, row: Row, *, due: bool) -> None:
        """Try a row that is down: it is up again, or `PhenostreamError` says why not.

        Args:
            row: What to try.
            due: It came from `due`: the pause to the next such trial doubles if this one fails.
        """
        try:
            if row.backend is None:
                self._open(row)
            else:
                self.prove(row)
        except PhenostreamError as err:
            with self._lock:
                row.reason = str(err)
                if due:
                    row.pause_s = min(2 * row.pause_s, LONGEST_PAUSE_S)
                    row.next_try_s = time.monotonic() + row.pause_s
            raise
        finally:
            row.trying = row.trying and not due
            self._close_if_left(row)
        with self._lock:
            row.reason, row.since_s = None, time.monotonic()

    def put_down(self, row: Row, reason: str, *, stuck: bool = False) -> None:
        """A row failed; `stuck`: one more call of it was given up on."""
        now_s = time.monotonic()
        with self._lock:
            row.stuck += stuck
            if row.reason is None:
                if now_s - row.since_s > LONGEST_PAUSE_S:
                    row.pause_s = FIRST_PAUSE_S
                row.outages += 1
                row.since_s, row.next_try_s = now_s, now_s + row.pause_s
            row.reason = reason

    def returned(self, row: Row) -> None:
        """A call that was given up on has returned after all: the row is worth a trial now."""
        with self._lock:
            row.stuck -= 1
            row.next_try_s = 0.0
        self._close_if_left(row)

    def fault(self) -> str | None:
        """What is wrong, and who serves instead; None while the primary is up."""
        with self._lock:
            reason = self._rows[0].reason
            others = [row.name for row in self._rows[1:] if row.backend and row.reason is None]
        if reason is None:
            return None
        return f"{reason}; {f'{others[0]} infers' if others else 'no other backend is left'}"

    @property
    def hung(self) -> bool:
        """Whether no row is left, and calls have not come back: another process could help, this one cannot."""
        with self._lock:
            return all(row.reason is not None for row in self._rows) and any(
                row.stuck for row in self._rows
            )

    @property
    def longest_call_s(self) -> float:
        """Longest time that a call may take of a row that is open."""
        return max(row.limit_s for row in self._rows if row.backend is not None)

    def reason(self) -> str:
        """Why no row is up, in the words of the primary."""
        return self._rows[0].reason or "no backend"

    def told(self) -> list[dict[str, Any]]:
        """Every row for a status; plain values."""
        now_s = time.monotonic()
        with self._lock:
            return [
                {
                    "backend": row.name,
                    "precision": row.backend.precision if row.backend is not None else None,
                    "state": _state(row),
                    "reason": row.reason,
                    "for_s": round(now_s - row.since_s, 1),
                    "outages": row.outages,
                    "stuck": row.stuck,
                    "call_timeout_s": row.limit_s,
                }
                for row in self._rows
            ]

    def close(self) -> None:
        """Close every backend that was opened; one that somebody is inside of is closed when that call returns."""
        self._closed = True
        for row in self._rows:
            self._close_if_left(row)

    def _close_if_left(self, row: Row) -> None:
        """Close a row's backend if all was closed and nobody is inside: under a call that may end the process."""
        with self._lock:
            if not self._closed or row.backend is None or row.stuck or row.trying:
                return
            row.reason = f"{row.name}: closed"
            backend = row.backend
        backend.close()

    def _is_open(self, row: Row) -> bool:
        """Whether a row that is not down could be opened, now or before."""
        with self._opening:
            if row.backend is not None:
                return row.reason is None
            if row.reason is not None:
                return False
            try:
                self._open(row)
            except PhenostreamError as err:
                logger.error("backend %s cannot take over: %s", row.name, err)
                self.put_down(row, str(err))
                return False
        return True

    def _open(self, row: Row) -> None:
        try:
            backend, batch_s = self._opener.open(row.name)
        except PhenostreamError:
            raise
        except Exception as err:  # a runtime that is imported now may raise anything, such as for want of descriptors
            raise _ours(row, err) from err
        with self._lock:
            row.limit_s = self._limit_s(batch_s)
            row.backend, row.since_s = backend, time.monotonic()

    def _limit_s(self, batch_s: float) -> float:
        return self._call_timeout_s or round(max(LEAST_LIMIT_S, _LIMIT_OF_BATCH * batch_s), 1)


def weakest(engines: Collection[Engine]) -> Engine:
    """Of those that inferred a frame, the one whose arithmetic is the coarsest."""
    return min(sorted(engines, key=repr), key=lambda engine: WEAKEST_FIRST.index(engine.precision))


def _ours(row: Row, err: Exception) -> EngineFault:
    return EngineFault(f"{row.name}: {type(err).__name__}: {err}"[:200])


def _state(row: Row) -> str:
    if row.reason is not None:
        return "down"
    return "up" if row.backend is not None else "not opened"
