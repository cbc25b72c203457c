"""What waits to be worded while the language model is at work: the newest window, and the runs.

Knows no clock, socket or model. A window gives way to a newer one and is counted; a run's summary is never given up for
a window's, as there is only one.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from phenostream.engine.summary.facts import Facts

MOST_RUNS: Final = 64
"""Summaries of whole runs that wait, as many as the daemon knows the facts of; the oldest gives way."""


@dataclass(frozen=True, slots=True)
class Job:
    """One summary of the template.

    Attributes:
        of_offset: Of its record.
        scope: ``window``, ``part`` or ``run``.
        run: Its id.
        facts: All that may be said.
    """

    of_offset: int
    scope: str
    run: str
    facts: Facts


class Desk:
    """One per summariser.

    Attributes:
        skipped: Summaries that gave way, since the beginning.
    """

    def __init__(self) -> None:
        """Nothing waits."""
        self.skipped = 0
        self._window: Job | None = None
        self._runs: deque[Job] = deque()

    def put(self, job: Job) -> None:
        """A summary was written."""
        if job.scope == "window":
            self.skipped += self._window is not None
            self._window = job
            return
        if len(self._runs) == MOST_RUNS:
            self._runs.popleft()
            self.skipped += 1
        self._runs.append(job)

    def take(self) -> Job | None:
        """What is to be worded next: the run that waits longest, else the newest window; None where nothing waits."""
        if self._runs:
            return self._runs.popleft()
        job, self._window = self._window, None
        return job
