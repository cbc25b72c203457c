"""Which thread is in which call of a backend, and since when: what a watcher needs to give up on a call.

Time is counted in looks of the watcher: a box that stops or starves the whole process, watcher and all, makes no call
late.
A call is either returned to its worker or given up on, never both: one lock decides.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from phenostream.daemon.engines import Row
from phenostream.daemon.pipeline.entries import Passage
from phenostream.engine.batcher import Batch


class GivenUp(Exception):
    """The call has returned, but the worker's batch was given to another one: its thread ends."""


@dataclass(slots=True, eq=False)
class Worker:
    """One inference thread.

    Attributes:
        batch: What it works on.
        row: Whose call it is in; None between calls.
        waited_s: How long the watcher has seen it in this call.
        given_up: Another worker has its batch.
    """

    name: str
    batch: Batch[Passage] | None = None
    row: Row | None = None
    waited_s: float = 0.0
    given_up: bool = False


class Calls:
    """The workers and their calls. Safe from any thread.

    Attributes:
        given_up: Calls that were given up on since the start.
    """

    def __init__(self) -> None:
        """Start without a worker."""
        self.given_up = 0
        self._lock = Lock()
        self._workers: list[Worker] = []

    def hire(self, name: str) -> Worker:
        """One more worker."""
        worker = Worker(name)
        with self._lock:
            self._workers.append(worker)
        return worker

    def leave(self, worker: Worker) -> bool:
        """A worker's work is done; True when it was the last one."""
        with self._lock:
            self._workers.remove(worker)
            return not self._workers

    @contextmanager
    def call(self, worker: Worker, row: Row) -> Iterator[None]:
        """The time of one call.

        Raises:
            GivenUp: It was given up on before it returned, whatever it returned or raised.
        """
        with self._lock:
            worker.row, worker.waited_s = row, 0.0
        try:
            yield
        finally:
            with self._lock:
                worker.row = None
                late = worker.given_up
            if late:
                row.engines.returned(row)
                raise GivenUp

    def give_up(self, passed_s: float) -> list[tuple[Worker, Worker]]:
        """One look of the watcher: workers whose call takes too long, each with the one that has its batch now.

        Args:
            passed_s: Time since the last look that the watcher may count.
        """
        replaced: list[tuple[Worker, Worker]] = []
        with self._lock:
            for place, worker in enumerate(self._workers):
                row = worker.row
                if row is None:
                    continue
                worker.waited_s += passed_s
                if worker.waited_s > row.limit_s:
                    reason = f"{row.name}: no answer for {row.limit_s:g} s"
                    row.engines.put_down(row, reason, stuck=True)
                    successor = self._successor(worker)
                    self._workers[place] = successor
                    replaced.append((worker, successor))
        return replaced

    def _successor(self, worker: Worker) -> Worker:
        worker.given_up = True
        self.given_up += 1
        first = worker.name.partition("+")[0]
        return Worker(f"{first}+{self.given_up}", worker.batch)
