"""Which cells belong to which summary: per run, one for every window of time and one for the whole run.

Lives in the commit thread. The words and the facts are the engine's; the clock is a parameter.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from phenostream.daemon.journal.record import Record
from phenostream.daemon.pipeline.records import summary
from phenostream.daemon.wire.ingest import Start
from phenostream.daemon.wire.results import decode_frame
from phenostream.engine.manifest import Manifest
from phenostream.engine.postprocess import Column
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.window import SummaryContext, WindowStatistics


@dataclass(slots=True)
class _RunStatistics:
    start: Start
    began_s: float
    whole: WindowStatistics
    window: WindowStatistics
    window_began_s: float | None = None


class SummaryBook:
    """Statistics of the open runs."""

    def __init__(self, manifest: Manifest, window_s: float) -> None:
        """Start empty; a window begins with the first frame after the last window ended."""
        self._manifest = manifest
        self._window_s = window_s
        self._runs: dict[str, _RunStatistics] = {}

    def add(self, start: Start, columns: dict[str, Column], now_s: float) -> None:
        """Count the cells of one published frame."""
        run = self._run(start, now_s)
        run.window.add({name: column.array for name, column in columns.items()})
        if run.window_began_s is None:
            run.window_began_s = now_s

    def resume(self, start: Start, records: Iterable[Record], now_s: float) -> None:
        """Count what earlier processes published of a run that goes on."""
        run = self._run(start, now_s)
        for record in records:
            if record.topic != "result":
                continue
            frame = decode_frame(record.payload)
            if frame.meta.get("run") == start.run and frame.columns:
                run.whole.add({name: column.values for name, column in frame.columns.items()})

    def due(self, now_s: float) -> list[bytes]:
        """The summaries of windows that are over."""
        return [
            self._close_window(run, now_s)
            for run in self._runs.values()
            if run.window_began_s is not None and now_s - run.window_began_s >= self._window_s
        ]

    def end(self, start: Start, now_s: float) -> list[bytes]:
        """The last window of a run, and the whole run."""
        run = self._runs.pop(start.run, None)
        if run is None:
            return []
        last = [self._close_window(run, now_s)] if run.window_began_s is not None else []
        return [*last, _written(start, "run", run.whole, now_s - run.began_s)]

    def seconds_to_next(self, now_s: float) -> float:
        """How long until `due` has something to say; a day if nothing is open."""
        begins = [r.window_began_s for r in self._runs.values() if r.window_began_s is not None]
        return max(0.0, min(begins) + self._window_s - now_s) if begins else 86400.0

    def _run(self, start: Start, now_s: float) -> _RunStatistics:
        run = self._runs.get(start.run)
        if run is None:
            run = _RunStatistics(start, now_s, self._empty(start), self._empty(start))
            self._runs[start.run] = run
        return run

    def _close_window(self, run: _RunStatistics, now_s: float) -> bytes:
        record = _written(run.start, "window", run.window, now_s - (run.window_began_s or now_s))
        run.whole.merge(run.window)
        run.window, run.window_began_s = self._empty(run.start), None
        return record

    def _empty(self, start: Start) -> WindowStatistics:
        return WindowStatistics(SummaryContext.of(self._manifest, simulated_cells=start.synthetic))


def _written(start: Start, scope: str, statistics: WindowStatistics, duration_s: float) -> bytes:
    facts = statistics.facts()
    plain = {**facts.as_dict(), "duration_s": round(duration_s, 3)}
    return summary(start, scope, write_summary(facts), plain)
