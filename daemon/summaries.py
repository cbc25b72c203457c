"""Which cells belong to which summary: per run, one for every window of time and one for the whole run.

Lives in the commit thread. The words and the facts are the engine's; the clock is a parameter. The statistics of a run
are more than half a MiB, and a run need never end: the statistics of the runs that were quiet longest are let go, and
read again from the journal when such a run goes on.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from phenostream.daemon.journal.record import Record
from phenostream.daemon.pipeline.records import flags_of, summary
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.daemon.wire.ingest import Start
from phenostream.daemon.wire.results import decode_frame
from phenostream.engine.manifest import Manifest
from phenostream.engine.postprocess import Column
from phenostream.engine.summary.facts import FrameAccount
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.window import SummaryContext, Tally, WindowStatistics
from phenostream.engine.types import NO_FLAGS, FrameFlags


@dataclass(slots=True)
class _RunStatistics:
    start: Start
    began_s: float
    whole: WindowStatistics
    window: WindowStatistics
    window_began_s: float | None = None


@dataclass(slots=True)
class _Origin:
    """Where the journal begins to tell of a run, and whether only the journal knows its cells.

    Attributes:
        first_offset: Of the first record that is not in `earlier`.
        earlier: The cells of the records before, as bytes of a tally.
    """

    first_offset: int
    only_in_journal: bool
    began_s: float | None = None
    earlier: bytes | None = None


class SummaryBook:
    """Statistics of the open runs."""

    def __init__(self, manifest: Manifest, window_s: float, max_runs: int) -> None:
        """Start empty.

        Args:
            manifest: Of the model.
            window_s: A window begins with the first frame after the last window ended.
            max_runs: Runs whose statistics are kept in memory.
        """
        self._manifest = manifest
        self._window_s = window_s
        self._max_runs = max_runs
        self._runs: OrderedDict[str, _RunStatistics] = OrderedDict()
        self._origins: dict[str, _Origin] = {}

    def __len__(self) -> int:
        """Runs whose statistics are in memory."""
        return len(self._runs)

    def begin(self, run: str, first_offset: int, *, resumed: bool = False) -> None:
        """A run opens.

        Args:
            run: Its id.
            first_offset: Of its first journal record.
            resumed: An earlier process published some of it.
        """
        known = self._origins.get(run)
        if not resumed or known is None or known.earlier is None:
            self._origins[run] = _Origin(first_offset, only_in_journal=resumed)

    def missing_since(self, run: str) -> int | None:
        """Journal offset from which `resume` must read before the run goes on or ends; None if it need not."""
        origin = self._origins.get(run)
        return origin.first_offset if origin is not None and origin.only_in_journal else None

    def resume(self, start: Start, records: Iterable[Record], now_s: float) -> None:
        """Count what the journal tells of a run that goes on."""
        origin = self._origins.setdefault(start.run, _Origin(0, only_in_journal=True))
        run = self._run(start, now_s if origin.began_s is None else origin.began_s)
        earlier = self._tally(origin.earlier)
        if earlier is not None:
            run.whole.tally.merge(earlier)
        origin.only_in_journal, origin.earlier = False, None
        for record in records:
            if record.topic != "result" or unpack_meta(record.payload).get("run") != start.run:
                continue
            told = decode_frame(record.payload)
            if told.columns:
                columns = {name: column.values for name, column in told.columns.items()}
                run.whole.add(columns, flags_of(told.meta["flags"]))

    def add(
        self,
        start: Start,
        columns: dict[str, Column],
        now_s: float,
        flags: FrameFlags = NO_FLAGS,
    ) -> None:
        """Count the cells of one published frame, of a run of which nothing is missing."""
        run = self._run(start, now_s)
        self._runs.move_to_end(start.run)
        run.window.add({name: column.array for name, column in columns.items()}, flags)
        if run.window_began_s is None:
            run.window_began_s = now_s

    def restore(self, run: str, since: int, tally: bytes) -> None:
        """An earlier process had counted the cells of a run's records before `since`; see `state`."""
        if self._tally(tally) is not None:
            self._origins[run] = _Origin(since, only_in_journal=True, earlier=tally)

    def state(self, since: int) -> list[tuple[str, int, bytes | Tally]]:
        """What was counted of each run, and from which offset on it was not. `Tally.as_bytes` may be called elsewhere.

        Args:
            since: Offset after the last record; everything that was added is durable.
        """
        counted: list[tuple[str, int, bytes | Tally]] = []
        for name, run in self._runs.items():
            both = self._empty(run.start).tally
            both.merge(run.whole.tally)
            both.merge(run.window.tally)
            counted.append((name, since, both))
        for name, origin in self._origins.items():
            if origin.only_in_journal and origin.earlier is not None:
                counted.append((name, origin.first_offset, origin.earlier))
        return counted

    def due(self, now_s: float, since: int | None = None) -> list[bytes]:
        """The summaries of windows that are over. Call it when everything that was added is durable.

        That of a run which is let go from memory ends early.

        Args:
            now_s: Monotonic clock.
            since: Offset of the next record, from which a run that is let go must be read again; else all of it must.
        """
        over = [
            self._close_window(run, now_s)
            for run in self._runs.values()
            if run.window_began_s is not None and now_s - run.window_began_s >= self._window_s
        ]
        return over + self._let_go(now_s, since)

    def end(
        self, start: Start, now_s: float, ledger: Mapping[str, int] | None = None
    ) -> list[bytes]:
        """The last window of a run of which nothing is missing, unless it is the only one, and the whole run.

        Args:
            start: The run.
            now_s: Monotonic clock.
            ledger: Its final account, so that the summary says which frames are not in it.
        """
        self._origins.pop(start.run, None)
        run = self._runs.pop(start.run, None)
        if run is None:
            return []
        several = run.whole.tally.frames > 0
        last = [self._close_window(run, now_s)] if run.window_began_s is not None else []
        if not run.whole.tally.frames:
            return []
        account = frame_account(ledger) if ledger is not None else None
        whole = _written(start, "run", run.whole, now_s - run.began_s, account)
        return [*last, whole] if several else [whole]

    def close_windows(self, now_s: float) -> list[bytes]:
        """The summaries of the windows that have begun, for a daemon that stops while runs are open."""
        return [
            self._close_window(run, now_s)
            for run in self._runs.values()
            if run.window_began_s is not None
        ]

    def seconds_to_next(self, now_s: float) -> float:
        """How long until `due` has something to say; a day if nothing is open."""
        begins = [r.window_began_s for r in self._runs.values() if r.window_began_s is not None]
        return max(0.0, min(begins) + self._window_s - now_s) if begins else 86400.0

    def _run(self, start: Start, began_s: float) -> _RunStatistics:
        run = self._runs.get(start.run)
        if run is None:
            run = _RunStatistics(start, began_s, self._empty(start), self._empty(start))
            self._runs[start.run] = run
        return run

    def _tally(self, data: bytes | None) -> Tally | None:
        """A tally of this model's classes and markers; None where there is none."""
        manifest = self._manifest
        if data is None:
            return None
        return Tally.of_bytes(data, len(manifest.classes), len(manifest.markers))

    def _let_go(self, now_s: float, since: int | None) -> list[bytes]:
        closed = []
        while len(self._runs) > self._max_runs:
            name, run = self._runs.popitem(last=False)
            if run.window_began_s is not None:
                closed.append(self._close_window(run, now_s))
            origin = self._origins.setdefault(name, _Origin(0, only_in_journal=True))
            origin.only_in_journal, origin.began_s = True, run.began_s
            if since is not None:
                origin.first_offset, origin.earlier = since, run.whole.tally.as_bytes()
        return closed

    def _close_window(self, run: _RunStatistics, now_s: float) -> bytes:
        record = _written(run.start, "window", run.window, now_s - (run.window_began_s or now_s))
        run.whole.merge(run.window)
        run.window, run.window_began_s = self._empty(run.start), None
        return record

    def _empty(self, start: Start) -> WindowStatistics:
        return WindowStatistics(SummaryContext.of(self._manifest, simulated_cells=start.synthetic))


def frame_account(ledger: Mapping[str, int]) -> FrameAccount:
    """The part of a run's ledger that a summary tells."""
    return FrameAccount(
        announced=ledger.get("announced", ledger["received"]),
        published=ledger["published"],
        dropped=ledger["dropped"],
        quarantined=ledger["quarantined"],
        failed=ledger["failed"],
        missing=ledger["missing"],
    )


def _written(
    start: Start,
    scope: str,
    statistics: WindowStatistics,
    duration_s: float,
    account: FrameAccount | None = None,
) -> bytes:
    facts = replace(statistics.facts(), account=account)
    plain = {**facts.as_dict(), "duration_s": round(duration_s, 3)}
    return summary(start, scope, write_summary(facts), plain)
