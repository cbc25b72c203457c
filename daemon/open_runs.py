"""The open runs as subscribers are told of them: the START of each, where it began, and its counts.

The commit thread writes: a run is here once its run_started record is on disk, and no longer once its run_ended is. Any
thread reads. What comes out are plain values, whole at one instant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from phenostream.daemon.ledger import FATES

MOST_TOLD: Final = 256
"""Runs in one message: what a reader's decoder takes as entries of a map."""
COUNTS: Final = ("received", *FATES, "in_flight")


@dataclass(frozen=True, slots=True)
class _OpenRun:
    first_offset: int
    status: dict[str, Any]


class OpenRuns:
    """All runs that this process opened or went on with and did not end.

    A run that gave its place to another is still unended and stays known; only the most recently heard ones are told.
    """

    def __init__(self, most_told: int, account: Callable[[str], dict[str, int]]) -> None:
        """Start empty.

        Args:
            most_told: As many as can be open at once; at most `MOST_TOLD` are told.
            account: The ledger of a run.
        """
        self._most_told = min(most_told, MOST_TOLD)
        self._account = account
        self._lock = Lock()
        self._runs: dict[str, _OpenRun] = {}

    def opened(self, first_offset: int, status: dict[str, Any]) -> None:
        """A run is open: its run_started record is on disk at `first_offset`, and `status` says the same."""
        with self._lock:
            self._runs[status["run"]] = _OpenRun(first_offset, status)

    def heard(self, run: str) -> None:
        """A fate of the run is on disk: it is the last to be left out where not all can be told."""
        with self._lock:
            if (known := self._runs.pop(run, None)) is not None:
                self._runs[run] = known

    def ended(self, run: str) -> None:
        """Its run_ended record is on disk."""
        with self._lock:
            self._runs.pop(run, None)

    def told(self) -> list[dict[str, Any]]:
        """For a subscriber that came late: of each run its START, where it began and how its frames stand."""
        return [
            {**run.status, "first_offset": run.first_offset, "counts": self._counts(name)}
            for name, run in self._latest()
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """For a high-water mark: where each run began and how its frames stand."""
        return {
            name: {"first_offset": run.first_offset, **self._counts(name)}
            for name, run in self._latest()
        }

    def _latest(self) -> list[tuple[str, _OpenRun]]:
        with self._lock:
            return list(self._runs.items())[-self._most_told :]

    def _counts(self, run: str) -> dict[str, int]:
        account = self._account(run)
        return {key: account[key] for key in COUNTS}
