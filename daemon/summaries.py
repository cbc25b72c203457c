"""Which cells belong to which summary: per run and model, one for every window of time and one for all of it.

Lives in the commit thread. The words and the facts are the engine's; the clock is a parameter. Cells of two models are
never counted together: each model's part of a run has statistics of its own. The statistics of a part are nearly
a MiB, and a run need never end: those of the runs that were quiet longest are let go, and read again from the
journal when such a run goes on; those of a model that is closed are told and let go.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from phenostream.daemon.journal.record import Record
from phenostream.daemon.model import Identity
from phenostream.daemon.pipeline.records import flags_of
from phenostream.daemon.run_statistics import (
    Counted,
    Occasion,
    Origin,
    Part,
    RunStatistics,
    frame_account,
    written,
)
from phenostream.daemon.telling import Telling
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.daemon.wire.ingest import Start
from phenostream.daemon.wire.results import decode_frame
from phenostream.engine.manifest import Manifest
from phenostream.engine.postprocess import Column
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import FrameAccount
from phenostream.engine.summary.window import Tally, WindowStatistics
from phenostream.engine.types import NO_FLAGS, FrameFlags

_PLAINLY: Final = Telling()


class SummaryBook:
    """Statistics of the open runs."""

    def __init__(
        self,
        manifest: Manifest,
        window_s: float,
        max_runs: int,
        sha256: str = "",
        telling: Telling = _PLAINLY,
    ) -> None:
        """Start empty.

        Args:
            manifest: Of the model that is configured.
            window_s: A window begins with the first frame after the last window ended.
            max_runs: Runs whose statistics are kept in memory.
            sha256: Identity of that model.
            telling: How they are told.
        """
        self._configured = Identity(sha256, manifest)
        self._known = {sha256: self._configured}
        self._window_s = window_s
        self._max_runs = max_runs
        self._telling = telling
        self._runs: OrderedDict[str, RunStatistics] = OrderedDict()
        self._origins: dict[str, Origin] = {}

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
        if not resumed or known is None or not (known.earlier or known.elsewhere):
            self._origins[run] = Origin(first_offset, only_in_journal=resumed)

    def missing_since(self, run: str) -> int | None:
        """Journal offset from which `resume` must read before the run goes on or ends; None if it need not."""
        origin = self._origins.get(run)
        return origin.first_offset if origin is not None and origin.only_in_journal else None

    def resume(self, start: Start, records: Iterable[Record], now_s: float) -> None:
        """Count what the journal tells of a run that goes on."""
        origin = self._origins.setdefault(start.run, Origin(0, only_in_journal=True))
        run = self._run(start, now_s if origin.began_s is None else origin.began_s)
        run.elsewhere += origin.elsewhere
        for sha256, data in origin.earlier.items():
            earlier, known = self._tally(data), self._known.get(sha256)
            if earlier is not None and known is not None:
                self._part(run, known).whole.tally.merge(earlier)
            elif earlier is not None:
                run.elsewhere += earlier.frames
        origin.only_in_journal, origin.earlier, origin.elsewhere = False, {}, 0
        for record in records:
            if record.topic != "result" or unpack_meta(record.payload).get("run") != start.run:
                continue
            told = decode_frame(record.payload)
            by = self._inferred_by(told.meta)
            if not told.columns:
                continue
            if by is None:
                run.elsewhere += 1
            else:
                columns = {name: column.values for name, column in told.columns.items()}
                self._part(run, by).whole.add(columns, flags_of(told.meta["flags"]))

    def add(
        self,
        start: Start,
        columns: dict[str, Column],
        now_s: float,
        flags: FrameFlags = NO_FLAGS,
        by: Identity | None = None,
    ) -> None:
        """Count the cells of one published frame, of a run of which nothing is missing.

        Args:
            start: The run.
            columns: Of the frame's record.
            now_s: Monotonic clock.
            flags: Of the frame.
            by: The model that inferred it; None: the configured one.
        """
        run = self._run(start, now_s)
        self._runs.move_to_end(start.run)
        part = self._part(run, by or self._configured)
        part.window.add({name: column.array for name, column in columns.items()}, flags)
        if part.window_began_s is None:
            part.window_began_s = now_s

    def restore(
        self, run: str, since: int, tally: bytes, sha256: str | None = None, elsewhere: int = 0
    ) -> None:
        """An earlier process had counted the cells of a run's records before `since`; see `state`.

        Args:
            run: Its id.
            since: See `Counted`.
            tally: Likewise.
            sha256: Of the model that saw them; None: of the configured one.
            elsewhere: See `Counted`.
        """
        counted = self._tally(tally)
        if counted is None:
            return
        origin = self._origins.setdefault(run, Origin(since, only_in_journal=True))
        origin.elsewhere += elsewhere
        known = self._configured.sha256 if sha256 is None else sha256
        if known in self._known:
            origin.earlier[known] = tally
        else:
            origin.elsewhere += counted.frames

    def state(self, since: int) -> list[Counted]:
        """What was counted of each run, and from which offset on it was not.

        Args:
            since: Offset after the last record; everything that was added is durable.
        """
        counted: list[Counted] = []
        for name, run in self._runs.items():
            for number, part in enumerate(run.parts.values()):
                both = self._empty(run.start, part.by).tally
                both.merge(part.whole.tally)
                both.merge(part.window.tally)
                told = 0 if number else run.elsewhere
                counted.append(Counted(name, since, both, part.by.sha256, told))
        for name, origin in self._origins.items():
            if origin.only_in_journal:
                for number, (sha256, earlier) in enumerate(origin.earlier.items()):
                    told = 0 if number else origin.elsewhere
                    counted.append(Counted(name, origin.first_offset, earlier, sha256, told))
        return counted

    def due(self, now_s: float, since: int | None = None) -> list[bytes]:
        """The summaries of windows that are over. Call it when everything that was added is durable.

        That of a run which is let go from memory ends early. Before them, what closed models saw of runs that go on
        with another one.

        Args:
            now_s: Monotonic clock.
            since: Offset of the next record, from which a run that is let go must be read again; else all of it must.
        """
        told = self._superseded(now_s)
        told += [
            self._close_window(run, part, now_s)
            for run, part in self._parts()
            if part.window_began_s is not None and now_s - part.window_began_s >= self._window_s
        ]
        return told + self._let_go(now_s, since)

    def end(
        self, start: Start, now_s: float, ledger: Mapping[str, int] | None = None
    ) -> list[bytes]:
        """The last windows of a run of which nothing is missing, unless it is the only one, and the whole run.

        Where several models saw it, the newest one's part is the run's, and the others are told as parts before it.

        Args:
            start: The run.
            now_s: Monotonic clock.
            ledger: Its final account, so that the summary says which frames are not in it.
        """
        self._origins.pop(start.run, None)
        run = self._runs.pop(start.run, None)
        if run is None:
            return []
        parts = [part for part in run.parts.values() if part.frames]
        account = frame_account(ledger) if ledger is not None else None
        told: list[bytes] = []
        for part in parts:
            last = part is parts[-1]
            told += self._told(run, part, now_s, "run" if last else "part", account)
        return told

    def model_closed(self, by: Identity, now_s: float) -> list[bytes]:
        """What a model saw of each run that is open; it will see no more, and its statistics are let go.

        Where it saw the newest frames of a run, that waits: for another model's first frame, or for the run's end.
        """
        for run in self._runs.values():
            part = run.parts.get(by.sha256)
            if part is not None:
                part.closed = True
        if by.sha256 != self._configured.sha256:
            self._known.pop(by.sha256, None)
        return self._superseded(now_s)

    def close_windows(self, now_s: float) -> list[bytes]:
        """The summaries of the windows that have begun, for a daemon that stops while runs are open."""
        return [
            self._close_window(run, part, now_s)
            for run, part in self._parts()
            if part.window_began_s is not None
        ]

    def seconds_to_next(self, now_s: float) -> float:
        """How long until `due` has something to say; a day if nothing is open."""
        begins = [
            part.window_began_s for _, part in self._parts() if part.window_began_s is not None
        ]
        return max(0.0, min(begins) + self._window_s - now_s) if begins else 86400.0

    def _superseded(self, now_s: float) -> list[bytes]:
        """What closed models saw of runs that others go on with; let go."""
        told: list[bytes] = []
        for run in self._runs.values():
            for part in run.superseded:
                if part.frames:
                    told += self._told(run, part, now_s, "part")
                del run.parts[part.by.sha256]
                run.elsewhere += part.frames
        return told

    def _parts(self) -> Iterator[tuple[RunStatistics, Part]]:
        for run in self._runs.values():
            for part in run.parts.values():
                yield run, part

    def _run(self, start: Start, began_s: float) -> RunStatistics:
        run = self._runs.get(start.run)
        if run is None:
            run = self._runs[start.run] = RunStatistics(start, began_s)
        return run

    def _part(self, run: RunStatistics, by: Identity) -> Part:
        """What a model saw of a run and goes on to see: the newest part of it."""
        self._known[by.sha256] = by
        part = run.parts.pop(by.sha256, None)
        if part is None:
            part = Part(by, self._empty(run.start, by), self._empty(run.start, by))
        run.parts[by.sha256] = part
        part.closed = False
        return part

    def _inferred_by(self, meta: Mapping[str, Any]) -> Identity | None:
        """The model that a record names; None where this process does not know it."""
        model = meta.get("model")
        sha256 = model.get("sha256") if isinstance(model, dict) else None
        return self._known.get(sha256) if sha256 is not None else self._configured

    def _tally(self, data: bytes) -> Tally | None:
        """A tally of classes and markers as every model has them; None where it is of another shape."""
        manifest = self._configured.manifest
        return Tally.of_bytes(data, len(manifest.classes), len(manifest.markers))

    def _let_go(self, now_s: float, since: int | None) -> list[bytes]:
        closed = []
        while len(self._runs) > self._max_runs:
            name, run = self._runs.popitem(last=False)
            closed += [
                self._close_window(run, part, now_s)
                for part in run.parts.values()
                if part.window_began_s is not None
            ]
            origin = self._origins.setdefault(name, Origin(0, only_in_journal=True))
            origin.only_in_journal, origin.began_s = True, run.began_s
            if since is not None:
                origin.first_offset, origin.elsewhere = since, run.elsewhere
                origin.earlier = {
                    sha256: part.whole.tally.as_bytes() for sha256, part in run.parts.items()
                }
        return closed

    def _close_window(self, run: RunStatistics, part: Part, now_s: float) -> bytes:
        began_s = now_s if part.window_began_s is None else part.window_began_s
        occasion = Occasion("window", now_s - began_s)
        record = written(run, part, occasion, self._telling)
        part.whole.merge(part.window)
        part.before, part.window_began_s = part.window, None
        part.window = self._empty(run.start, part.by)
        return record

    def _told(
        self,
        run: RunStatistics,
        part: Part,
        now_s: float,
        scope: Literal["run", "part"],
        account: FrameAccount | None = None,
    ) -> list[bytes]:
        """The last window of a part, unless it is the only one, and all of the part."""
        several = part.whole.tally.frames > 0
        last = [self._close_window(run, part, now_s)] if part.window_began_s is not None else []
        occasion = Occasion(scope, now_s - run.began_s, account)
        whole = written(run, part, occasion, self._telling)
        return [*last, whole] if several else [whole]

    def _empty(self, start: Start, by: Identity) -> WindowStatistics:
        return WindowStatistics(SummaryContext.of(by.manifest, simulated_cells=start.synthetic))
