"""The real ingest desk with its sources, and a commit thread, a journal and a kill -9 played by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import msgpack

from phenostream.daemon.channel import Channel
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import (
    Answer,
    Arrival,
    Entry,
    Passage,
    ReceivedFrame,
    RunEnded,
    RunStarted,
)
from phenostream.daemon.pipeline.records import end_frame, run_ended, run_started
from phenostream.daemon.quarantine import Part
from phenostream.daemon.recovery import Recovery
from phenostream.daemon.source_config import SourceConfig
from phenostream.daemon.sources.best_effort_desk import BestEffortDesk
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.reception import Clock, Letter, Outlets
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.wire.codec import pack, unpack_meta
from phenostream.daemon.wire.ingest import Ack, Fate, FromDaemon, Refused, Report, Started, Welcome
from tests.daemon.sources.desk_model import (
    CREDIT_FRAMES,
    IDLE_END_S,
    MOST_OPEN,
    SHOT_TIMEOUT_S,
    Said,
    Who,
)


class _Kept:
    """A quarantine that keeps nothing but the number of frames."""

    def keep(self, arrival: Arrival, reason: str, parts: Sequence[Part]) -> None:
        """Forget it."""


class World:
    """One process after the other on the same journal.

    Attributes:
        journal: Every record that is durable.
        working: Frames in the pipeline: they may end in any order, with any fate.
        queue: What waits for the commit thread, and the cells of each frame.
        answers: What the commit thread has said and the ingest thread has not heard.
    """

    def __init__(self, model: ServedModel) -> None:
        self.model = model
        self.journal: list[Record] = []
        self.checkpoint: tuple[int, bytes | None] = (0, None)
        self.working: list[Arrival] = []
        self.queue: list[tuple[Entry, int]] = []
        self.answers: list[Answer] = []
        self.begin()

    def begin(self) -> None:
        """A process starts: what is not in the journal is gone."""
        self.ledger = Ledger()
        self.runs = RunBook(MOST_OPEN, self.ledger.in_flight)
        recovery = Recovery(self.ledger, self.runs)
        known, state = self.checkpoint
        if state is not None:
            recovery.begin_at(msgpack.unpackb(state))
        for record in self.journal[known:]:
            recovery.replay(record)
        self.register = recovery.register
        self.ledger.go_on()
        self.working, self.queue, self.answers = [], [], []
        self.frames: Channel[ReceivedFrame] = Channel(None)
        self.entries: Channel[Entry] = Channel(None)
        ingest = IngestConfig(
            endpoint="ipc:///nowhere",
            max_frame_bytes=1 << 20,
            credit_bytes=CREDIT_FRAMES * 4 * 128 * 128,
            max_open_runs=MOST_OPEN,
            shot_timeout_s=SHOT_TIMEOUT_S,
        )
        outlets = Outlets(self.frames, self.entries, _Kept(), lambda start: None, lambda: None)
        self.desk = IngestDesk(ingest, self.ledger, self.runs, outlets)
        self.sources = {name: self._source(name) for name in ("a", "b")}

    def say(self, who: Who, parts: Sequence[bytes], now_s: float) -> list[Said] | None:
        """One message, and its answers; None from a best-effort source, which hears none."""
        views = [memoryview(part) for part in parts]
        clock = Clock(1, now_s)
        said: list[Said] | None = None
        if isinstance(who, str):
            self.sources[who].receive(views, clock)
        else:
            letters = self.desk.receive(who, views, clock)
            assert all(letter.peer == who for letter in letters)
            said = [told(letter.message) for letter in letters]
        self._look()
        return said

    def pass_time(self, now_s: float) -> None:
        """The doors tick."""
        self.desk.expire(Clock(1, now_s))
        for source in self.sources.values():
            source.tick(Clock(1, now_s))
        self._look()

    def drain(self) -> None:
        """SIGTERM."""
        self.desk.drain()
        self._look()

    def finish(self, which: int, fate: Fate, code: str, cells: int) -> tuple[str, int]:
        """A frame in the pipeline has its fate, which is not on disk."""
        arrival = self.working.pop(which)
        failure = None if fate == "published" else (fate, f"{code}: of the test")
        self.queue.append((Passage(arrival, failure=failure), cells))
        return arrival.start.run, arrival.frame_seq

    def commit(
        self, count: int, on_fate: Callable[[str, int, Fate, str | None, int], None]
    ) -> None:
        """One fdatasync for the first `count` of the queue, then settle; `on_fate` hears of every frame."""
        group, self.queue = self.queue[:count], self.queue[count:]
        for entry, cells in group:
            self._write(entry, cells)
        for entry, cells in group:
            if isinstance(entry, Passage):
                self._settle(entry, cells, on_fate)

    def take_checkpoint(self) -> None:
        """From now on a process begins with what the books say now, and reads the records behind."""
        ledger = self.ledger.state(self.register.forgotten)
        state = {"register": self.register.state(), "ledger": ledger, "summaries": []}
        self.checkpoint = (len(self.journal), msgpack.packb(state))

    def sync_and_die(self, count: int) -> None:
        """One fdatasync for the first `count` of the queue, and a kill before anybody hears of it."""
        for entry, cells in self.queue[:count]:
            self._write(entry, cells)

    def hear(self) -> tuple[Answer, list[Letter]]:
        """The ingest thread hears the oldest answer of the commit thread."""
        answer = self.answers.pop(0)
        letters = self.desk.settled(answer)
        self._look()
        return answer, letters

    def owing(self) -> set[tuple[str, int]]:
        """Every frame that is in the pipeline or on its way to the journal."""
        queued = [entry.arrival for entry, _ in self.queue if isinstance(entry, Passage)]
        frames = [(a.start.run, a.frame_seq) for a in [*self.working, *queued]]
        assert len(frames) == len(set(frames)), "one frame is in the pipeline twice"
        return set(frames)

    def _look(self) -> None:
        self.working += [received.arrival for received in self.frames.take_all()]
        self.queue += [(entry, 0) for entry in self.entries.take_all()]

    def _write(self, entry: Entry, cells: int) -> None:
        offset = len(self.journal)
        if isinstance(entry, Passage):
            payload = end_frame(entry, self.model, 0.0).payload
            counts = {
                "found": cells,
                "classified": cells,
                "edge": 0,
                "rejected": 0,
                "over_limit": 0,
            }
            payload = pack(unpack_meta(payload) | {"counts": counts})
            self.journal.append(Record(offset, "result", payload))
        elif isinstance(entry, RunStarted):
            if entry.resumed_from is None:
                payload = run_started(entry, model_synthetic=True)
                start = entry.start.model_dump(mode="json")
                self.register.started(start, offset, entry.source)
                self.journal.append(Record(offset, "status", payload))
        elif isinstance(entry, RunEnded):
            ledger = self.ledger.run(entry.start.run)
            payload = run_ended(entry, ledger, model_synthetic=True)
            self.register.ended(entry.start.run, offset, ledger)
            self.journal.append(Record(offset, "status", payload))
            self.answers.append(Report(run=entry.start.run, ledger=ledger))

    def _settle(
        self,
        passage: Passage,
        cells: int,
        on_fate: Callable[[str, int, Fate, str | None, int], None],
    ) -> None:
        run, seq = passage.arrival.start.run, passage.arrival.frame_seq
        fate, reason = passage.failure or ("published", None)
        self.ledger.settle(run, seq, fate, reason, {"found": cells, "classified": cells})
        on_fate(run, seq, fate, code_of(reason), cells)
        self.answers.append(Ack(run=run, frame_seq=seq, fate=fate, reason=reason))

    def _source(self, name: str) -> BestEffortDesk:
        config = SourceConfig(
            name=name,
            socket="sub",
            endpoint=f"ipc:///{name}",
            max_frame_bytes=1 << 20,
            idle_end_s=IDLE_END_S,
        )
        return BestEffortDesk(config, self.desk, self.ledger, self.runs)


def told(message: FromDaemon) -> Said:
    """An answer as the model says it: a reason by its code."""
    said: dict[type, Callable[[Any], Said]] = {
        Welcome: lambda m: ("welcome", m.run, m.last_acked),
        Started: lambda m: ("started", m.run, m.last_acked),
        Ack: lambda m: ("ack", m.run, m.frame_seq, m.fate, code_of(m.reason)),
        Report: lambda m: ("report", m.run, m.ledger),
        Refused: lambda m: ("refused", code_of(m.reason), m.run, m.frame_seq),
    }
    return said[type(message)](message)


def code_of(reason: str | None) -> str | None:
    """What a reason begins with."""
    return None if reason is None else reason.partition(":")[0]


def ends_entered(queue: list[tuple[Entry, int]]) -> list[str]:
    """The runs whose end is on its way to the journal."""
    return [entry.start.run for entry, _ in queue if isinstance(entry, RunEnded)]
