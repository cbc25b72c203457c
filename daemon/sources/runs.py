"""The runs a source may send to: which are known, which are open, and who sends for them.

One run has one source: all of it comes to the lossless port, or all of it from one best-effort source.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from phenostream.daemon.register import MOST_ENDED, MOST_IDS
from phenostream.daemon.sources.retakes import Retakes
from phenostream.daemon.wire.ingest import EndedBy, Report, Start

Opening = Literal["new", "known", "conflict", "busy", "forgotten"]

PARK_AFTER_S = 10.0
"""A run that was quiet for this long gives its place to one that starts."""


@dataclass(slots=True)
class Run:
    """One run.

    Attributes:
        source: Name of the best-effort source that sends it; None: it is lossless.
        first_offset: Journal offset of its run_started record, until a run of an earlier process goes on.
        open: Frames are taken; a run that was parked or comes from the journal opens again at its START.
        peer: Connection that spoke for it last: where answers go.
        report: After its end is on disk.
        complaints: Codes of bad frames that were logged.
        end_queued: Its end is on its way to the journal.
        ended_by: What ends it.
        retakes: Tells a frame that was taken anew under an old number.
    """

    start: Start
    source: str | None = None
    first_offset: int | None = None
    open: bool = False
    peer: bytes = b""
    heard_s: float = 0.0
    report: Report | None = None
    end_queued: bool = False
    ended_by: EndedBy = "source"
    complaints: set[str] = field(default_factory=set)
    retakes: Retakes = field(default_factory=Retakes)


class RunBook:
    """All runs of this journal; belongs to the ingest thread. Ended ones are kept as `register` says."""

    def __init__(self, max_open: int, in_flight: Callable[[str], int]) -> None:
        """Start empty.

        Args:
            max_open: Runs that may be open at once.
            in_flight: Frames of a run without a fate; a run that has some is not parked.
        """
        self._max_open = max_open
        self._in_flight = in_flight
        self._runs: dict[str, Run] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._forgotten: OrderedDict[str, None] = OrderedDict()

    def restore(self, start: Start, first_offset: int, source: str | None = None) -> None:
        """A run found in the journal."""
        self._runs[start.run] = Run(start, source, first_offset)

    def restore_forgotten(self, runs: Iterable[str]) -> None:
        """Runs that ended so long ago that only their ids are known."""
        self._forgotten = OrderedDict.fromkeys(runs)

    def reported(self, report: Report) -> list[str]:
        """A run's end is on disk; the runs that are forgotten because of it.

        Of a run whose start is lost, nothing else is known here.
        """
        run = self._runs.get(report.run)
        if run is not None:
            run.report = report
        self._ended[report.run] = None
        gone = []
        while len(self._ended) > MOST_ENDED:
            oldest, _ = self._ended.popitem(last=False)
            self._runs.pop(oldest, None)
            self._forgotten[oldest] = None
            gone.append(oldest)
        while len(self._forgotten) > MOST_IDS:
            self._forgotten.popitem(last=False)
        return gone

    def get(self, run: str | None) -> Run | None:
        """The run, if it is known."""
        return self._runs.get(run) if run is not None else None

    def sent_by(self, source: str) -> list[Run]:
        """The runs of a best-effort source that were not reported."""
        return [run for run in self._runs.values() if run.source == source and run.report is None]

    def open(self, start: Start, peer: bytes, now_s: float, source: str | None = None) -> Opening:
        """START arrived. ``new`` and ``known`` leave the run open with `peer` as its speaker.

        A best-effort source repeats START for those that missed it, and may read its clock anew each time.
        """
        if start.run in self._forgotten:
            return "forgotten"
        run = self._runs.get(start.run)
        if run is not None:
            told = {"source_utc_ns": run.start.source_utc_ns} if source is not None else {}
            if run.source != source or run.start != start.model_copy(update=told):
                return "conflict"
        if (run is None or not run.open) and not self._has_room(now_s):
            return "busy"
        opening: Opening = "known"
        if run is None:
            run = self._runs[start.run] = Run(start, source)
            opening = "new"
        run.open, run.peer, run.heard_s = True, peer, now_s
        return opening

    def open_count(self) -> int:
        """Runs that hold a place: open and not reported."""
        return sum(run.open and run.report is None for run in self._runs.values())

    def _has_room(self, now_s: float) -> bool:
        if self.open_count() < self._max_open:
            return True
        quiet = [
            run
            for run in self._runs.values()
            if run.open
            and run.report is None
            and now_s - run.heard_s >= PARK_AFTER_S
            and not self._in_flight(run.start.run)
        ]
        if not quiet:
            return False
        min(quiet, key=lambda run: run.heard_s).open = False
        return True
