"""The commit thread says nothing before it is on disk, and says it once."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.channel import Channel
from phenostream.daemon.engines import Engine
from phenostream.daemon.health import Health
from phenostream.daemon.journal.log import Journal, JournalFull
from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.meters import Meters
from phenostream.daemon.model import ServedModel
from phenostream.daemon.narration import Narration
from phenostream.daemon.newest_summary import NewestSummary
from phenostream.daemon.open_runs import OpenRuns
from phenostream.daemon.pipeline.commit import Books, Commit
from phenostream.daemon.pipeline.entries import (
    Answer,
    Arrival,
    Entry,
    Inferred,
    Passage,
    Prepared,
    RunEnded,
    RunStarted,
)
from phenostream.daemon.publisher import NO_OFFSET, Publisher
from phenostream.daemon.summaries import SummaryBook
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.swap.models import Models
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.control import LanguageModelName, SummaryText
from phenostream.daemon.wire.ingest import Ack, Report, Start
from phenostream.daemon.wire.results import Topic, decode_frame, decode_offset
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.batcher import Part
from phenostream.engine.errors import BadInput
from phenostream.engine.types import NO_FLAGS, Detections

StartMaker = Callable[..., Start]
URL = "inproc://results"
_RUNS = itertools.count()


class Witness(Journal):
    """A journal that remembers the order of what was done, and can be told to be full."""

    events: list[str]
    full_for: int = 0

    def append(self, items: Sequence[tuple[Topic, bytes]]) -> list[Record]:
        if self.full_for:
            self.full_for -= 1
            self.events.append("full")
            raise JournalFull("no space")
        self.events.append("append")
        return super().append(items)

    def sync(self) -> None:
        super().sync()
        self.events.append("sync")


@dataclass
class Desk:
    """A commit thread with a subscriber, driven by the test."""

    folder: Path
    model: ServedModel
    start: Start
    events: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    health: Health = field(default_factory=Health)
    wake: Wake = field(default_factory=Wake)
    beats: int = 0

    def __post_init__(self) -> None:
        self.journal = Witness(self.folder)
        self.journal.events = self.events
        self.entries: Channel[Entry] = Channel(64, on_item=self.wake.set)
        self.answers: Channel[Answer] = Channel(None, on_item=lambda: self.events.append("answer"))
        self.open_runs = OpenRuns(2, self.ledger.run)
        summaries = SummaryBook(self.model.manifest, 60.0, 2, self.model.sha256)
        self.narration = Narration(SummaryConfig(llm="toy"), self.entries.offer)
        self.meters = Meters(self.model.manifest.classes)
        self.newest_summary = NewestSummary()
        books = Books(
            self.ledger,
            self.health,
            summaries,
            self.open_runs,
            narration=self.narration,
            meters=self.meters,
            newest_summary=self.newest_summary,
        )
        self.commit = Commit(Models(self.model), self.journal, books, self.entries, self.answers)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.ledger.open(self.start.run, None)

    def receive(self, seq: int) -> Arrival:
        self.ledger.receive(self.start.run, seq)
        return Arrival(self.start, seq, 123, 0.0, 45, (1.0, 2.0, None))

    def run(self, *entries: Entry) -> list[list[bytes]]:
        """Commit the entries to the end; what a subscriber saw."""
        url = f"{URL}-{next(_RUNS)}"  # a closed inproc address is free only after a while
        bound = threading.Event()
        go = threading.Event()

        def body() -> None:
            publisher = Publisher(self.context, url, 100, self.journal, self.open_runs.counts)
            bound.set()
            go.wait(20)
            self.commit.run(publisher, self.wake, self._beat)
            publisher.close()

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        assert bound.wait(20)
        with self.context.socket(zmq.SUB) as subscriber:
            subscriber.subscribe("")
            subscriber.connect(url)
            go.set()
            for entry in entries:
                if isinstance(entry, RunStarted):
                    self.ledger.open(entry.start.run, None)
                self.entries.put(entry)
            self.entries.close()
            thread.join(20)
            assert not thread.is_alive()
            seen: list[list[bytes]] = []
            while subscriber.poll(0):
                seen.append(subscriber.recv_multipart())
        return seen

    def _beat(self) -> None:
        self.beats += 1

    def close(self) -> None:
        self.context.term()
        self.journal.close()
        self.wake.close()


@pytest.fixture
def desk(
    tmp_path: Path, make_model: Callable[..., ServedModel], make_start: StartMaker
) -> Iterator[Desk]:
    desk = Desk(tmp_path, make_model(), make_start())
    yield desk
    desk.close()


def finished(arrival: Arrival, cells: int, edge: int = 0) -> Passage:
    n = cells + edge
    y = np.arange(n, dtype=np.float32)
    seen = np.arange(n) < cells
    found = Detections(y, y, y + 7, y + 9, ~seen)
    passage = Passage(arrival, Prepared(found, seen, 2.0, 0.25, 0.0, 0.0))
    if cells:
        images = np.random.default_rng(0).random((cells, 4, 28, 28), np.float32)
        outputs = FakeBackend().infer(images, np.full((cells, 4), 0.5, np.float32))
        inferred = Inferred(outputs, Engine("fake", "none", "fp32"), ("journal",))
        passage.place(Part(passage, slice(0, cells), slice(0, cells)), inferred, 0.0, 0.0)
    return passage


def bodies(seen: list[list[bytes]], topic: bytes) -> list[dict[str, Any]]:
    return [unpack_result(parts[2]) for parts in seen if parts[0] == topic]


@pytest.mark.parametrize("resumed_from", [None, 0])
def test_it_knows_whether_any_run_is_of_a_simulated_microscope(
    desk: Desk, make_start: StartMaker, resumed_from: int | None
) -> None:
    desk.run(
        RunStarted(make_start(synthetic=False)),
        RunStarted(make_start(synthetic=True), resumed_from),
    )
    assert desk.commit.source_synthetic


def test_a_real_microscope_makes_no_source_synthetic(desk: Desk, make_start: StartMaker) -> None:
    desk.run(RunStarted(make_start(synthetic=False)))
    assert not desk.commit.source_synthetic


def test_nothing_is_said_before_it_is_on_disk(desk: Desk) -> None:
    desk.run(finished(desk.receive(0), 3))
    assert desk.events[:3] == ["append", "sync", "answer"]
    assert desk.answers.take_all() == [
        Ack(run=desk.start.run, frame_seq=0, fate="published", reason=None)
    ]


def test_one_sync_serves_all_that_is_queued(desk: Desk) -> None:
    for seq in range(20):
        desk.entries.put(finished(desk.receive(seq), 1))
    desk.run()
    assert desk.events[:22] == ["append", "sync", *["answer"] * 20]


def test_what_was_committed_is_counted_and_timed(desk: Desk) -> None:
    desk.run(
        finished(desk.receive(0), 3, edge=2),
        Passage(desk.receive(1), failure=("failed", "engine: gone")),
    )
    told = desk.meters.told()
    assert told["frames_by_reason"] == {"published": 1, "failed.engine": 1}
    assert (told["cells"]["found"], told["cells"]["edge"]) == (5, 2)
    assert sum(told["cells"]["classes"].values()) == 3
    assert told["stages"]["total"]["count"] == told["stages"]["commit"]["count"] == 1
    syncs = desk.events.count("sync") - 1  # the drain's own, of the last window
    assert told["commit"]["fdatasync"]["count"] == syncs
    assert told["commit"]["records"] == 2
    assert told["commit"]["bytes"] > 0


def test_a_published_frame_reads_back_with_its_columns(desk: Desk) -> None:
    seen = desk.run(finished(desk.receive(0), 3, edge=2))
    (parts,) = [parts for parts in seen if parts[0] == b"result"]
    assert decode_offset(parts[1]) == 0
    record = decode_frame(parts[2])
    meta = record.meta
    assert (meta["fate"], meta["frame_seq"], meta["run"]) == ("published", 0, desk.start.run)
    assert meta["counts"] == {
        "found": 5,
        "classified": 3,
        "edge": 2,
        "rejected": 0,
        "over_limit": 0,
        "failed": 0,
    }
    assert meta["stage_um"] == [1.0, 2.0, None]
    assert meta["flags"] == {
        "four_shot_residual": 0.25,
        **asdict(NO_FLAGS),
        "orientation": "undecided",
    }
    assert meta["model"] == desk.model.describe() | {"engines": ["fake fp32"]}
    assert meta["degraded"] == ["journal"]
    assert meta["synthetic"] is True
    assert set(meta["timing_ms"]) == {"queue", "prepare", "wait", "infer", "total"}
    assert record.columns["class_logits"].values.shape == (5, 3)
    assert record.columns["y_px"].unit == "px"
    assert desk.ledger.run(desk.start.run)["cells_found"] == 5


def test_a_frame_that_was_turned_away_has_a_record_without_columns(desk: Desk) -> None:
    seen = desk.run(Passage(desk.receive(4), failure=("quarantined", "shape: (1,)")))
    (body,) = bodies(seen, b"result")
    assert (body["fate"], body["reason"], body["columns"]) == ("quarantined", "shape: (1,)", {})
    assert desk.ledger.run(desk.start.run)["quarantined.shape"] == 1


def test_the_same_frame_gives_the_same_record_apart_from_its_times(desk: Desk) -> None:
    seen = desk.run(*(finished(desk.receive(seq), 4) for seq in range(2)))
    first, second = bodies(seen, b"result")
    for body in (first, second):
        del body["timing_ms"], body["frame_seq"]
    assert first == second


def test_a_run_ends_with_its_summary_its_ledger_and_a_high_water_mark(desk: Desk) -> None:
    passage = finished(desk.receive(0), 2)
    desk.run(RunStarted(desk.start), passage)
    desk.ledger.end(desk.start.run, 3)
    desk.entries._producers = 1
    seen = desk.run(RunEnded(desk.start))
    scopes = [body["scope"] for body in bodies(seen, b"summary")]
    assert scopes == ["run"]
    assert all("synthetic" in body["text"].lower() for body in bodies(seen, b"summary"))
    (status,) = bodies(seen, b"status")
    assert status["event"] == "run_ended"
    assert (status["ledger"]["published"], status["ledger"]["missing"]) == (1, 2)
    assert seen[-1][0] == b"highwater"
    assert decode_offset(seen[-1][1]) == desk.journal.newest == 4  # the drain wrote a window
    answers = desk.answers.take_all()
    assert isinstance(answers[-1], Report)
    assert answers[-1].ledger == status["ledger"]


def test_a_run_is_told_as_open_from_its_start_to_its_end(desk: Desk) -> None:
    desk.run(RunStarted(desk.start), finished(desk.receive(0), 2))
    (told,) = desk.open_runs.told()
    assert (told["event"], told["first_offset"]) == ("run_open", 0)
    assert told["start"] == desk.start.model_dump(mode="json")
    assert told["counts"]["published"] == 1
    desk.entries._producers = 1
    seen = desk.run(RunEnded(desk.start))
    assert desk.open_runs.told() == []
    assert bodies(seen, b"highwater")[-1]["runs"] == {}


@pytest.mark.parametrize("resumed_from", [None, 7])
def test_a_mark_tells_the_counts_of_each_open_run(desk: Desk, resumed_from: int | None) -> None:
    frame = finished(desk.receive(0), 2)
    desk.receive(1)
    seen = desk.run(RunStarted(desk.start, resumed_from), frame)
    assert bodies(seen, b"highwater")[-1]["runs"] == {
        desk.start.run: {
            "first_offset": resumed_from or 0,
            "received": 2,
            "published": 1,
            "dropped": 0,
            "quarantined": 0,
            "failed": 0,
            "in_flight": 1,
        }
    }


def test_a_run_that_goes_on_is_open_before_anything_of_it_is_written(desk: Desk) -> None:
    desk.run(RunStarted(desk.start, 7))
    assert [run["first_offset"] for run in desk.open_runs.told()] == [7]
    assert desk.journal.newest is None


def test_a_run_within_one_window_is_summarised_once(desk: Desk) -> None:
    passage = finished(desk.receive(0), 2)
    seen = desk.run(RunStarted(desk.start), passage, RunEnded(desk.start))
    assert [body["scope"] for body in bodies(seen, b"summary")] == ["run"]


def test_the_newest_summary_is_told_to_who_did_not_listen(desk: Desk) -> None:
    assert desk.newest_summary.told() is None
    seen = desk.run(RunStarted(desk.start), finished(desk.receive(0), 2), RunEnded(desk.start))
    ((offset, body),) = [
        (decode_offset(parts[1]), unpack_result(parts[2]))
        for parts in seen
        if parts[0] == b"summary"
    ]
    told = desk.newest_summary.told()
    assert told is not None
    assert told.pop("offset") == offset
    assert told.items() <= body.items()
    assert (told["scope"], told["source"]) == ("run", "template")
    assert told["text"]


def test_a_drain_writes_the_last_window_of_a_run_that_stays_open(desk: Desk) -> None:
    seen = desk.run(RunStarted(desk.start), finished(desk.receive(0), 2))
    (window,) = bodies(seen, b"summary")
    assert (window["scope"], window["facts"]["found"]) == ("window", 2)
    assert decode_offset(seen[-1][1]) == desk.journal.newest == 2


def test_a_full_disk_costs_a_drain_its_last_window_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = desk.ledger.settle

    def settle_then_fill(*args: Any) -> None:
        settle(*args)
        desk.journal.full_for = 1

    monkeypatch.setattr(desk.ledger, "settle", settle_then_fill)
    seen = desk.run(RunStarted(desk.start), finished(desk.receive(0), 2))
    assert bodies(seen, b"summary") == []
    assert desk.ledger.run(desk.start.run)["published"] == 1


def test_other_words_for_a_summary_are_a_record_behind_it_also_after_the_runs_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Publisher.publish

    def known_first(publisher: Publisher, records: list[Record]) -> None:
        told = [record.offset for record in records if record.topic == "summary"]
        assert all(offset in desk.narration._templates for offset in told)
        publish(publisher, records)

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "publish", known_first)
        passage = finished(desk.receive(0), 2)
        (template,) = bodies(
            desk.run(RunStarted(desk.start), passage, RunEnded(desk.start)), b"summary"
        )
    assert (template["source"], template["of_offset"], template["llm"]) == ("template", None, None)
    llm = LanguageModelName(name="toy", sha256="0" * 64, binding="fake")
    request = SummaryText(
        v=1,
        id=1,
        type="summary_text",
        of_offset=2,
        text=template["text"],
        style="bedside",
        language="en",
        source="llm-grammar",
        llm=llm,
        seconds=1.0,
    )
    with pytest.raises(BadInput, match="the daemon stops"):
        desk.narration.take(request)
    desk.entries._producers = 1
    desk.narration.take(request)
    seen = desk.run()
    (other,) = bodies(seen, b"summary")
    assert other == template | {
        "source": "llm-grammar",
        "of_offset": 2,
        "llm": llm.model_dump(),
        "seconds": 1.0,
    }
    assert decode_offset(seen[-1][1]) == desk.journal.newest == 4


def test_a_run_that_was_let_go_from_memory_is_summarised_whole(
    desk: Desk, make_start: StartMaker
) -> None:
    for start in (desk.start, *(make_start() for _ in range(5))):
        desk.ledger.open(start.run, None)
        desk.ledger.receive(start.run, 0)
        desk.entries.put(RunStarted(start))
        desk.entries.put(finished(Arrival(start, 0, 1, 0.0), 2))
    desk.run()
    desk.entries._producers = 1
    seen = desk.run(finished(desk.receive(1), 3), RunEnded(desk.start))
    assert len(desk.commit._books.summaries) <= 3
    (whole,) = [body for body in bodies(seen, b"summary") if body["scope"] == "run"]
    assert (whole["facts"]["frames"], whole["facts"]["found"]) == (2, 5)


def test_the_mark_of_an_empty_journal_names_no_offset(desk: Desk) -> None:
    (mark,) = [parts for parts in desk.run() if parts[0] == b"highwater"][-1:]
    assert decode_offset(mark[1]) == NO_OFFSET
    assert unpack_result(mark[2])["newest"] is None


def test_a_full_disk_holds_everything_back_and_recovers_by_itself(desk: Desk) -> None:
    desk.journal.full_for = 2
    desk.run(finished(desk.receive(0), 1))
    assert desk.events[:5] == ["full", "full", "append", "sync", "answer"]
    assert not desk.health.degraded


def test_a_disk_that_stays_full_degrades_and_acknowledges_nothing(desk: Desk) -> None:
    desk.journal.full_for = 10**9
    told = threading.Event()
    degrade = desk.health.degrade

    def watch(name: str, reason: str) -> bool:
        told.set()
        return degrade(name, reason)

    desk.health.degrade = watch  # type: ignore[method-assign]  # to know when it was called
    thread = threading.Thread(target=_quietly, args=(desk, finished(desk.receive(0), 1)))
    thread.start()
    assert told.wait(20)
    desk.commit.abort()
    thread.join(20)
    assert desk.health.snapshot()["faults"] == {"journal": "no space"}
    assert "answer" not in desk.events
    assert desk.ledger.run(desk.start.run)["in_flight"] == 1


def test_a_resumed_run_is_summarised_with_what_was_published_before(
    tmp_path: Path, make_model: Callable[..., ServedModel], make_start: StartMaker
) -> None:
    start = make_start()
    first = Desk(tmp_path, make_model(), start)
    first.run(RunStarted(start), finished(first.receive(0), 2))
    first.close()
    second = Desk(tmp_path, make_model(), start)
    second.ledger.settle(start.run, 0, "published")
    seen = second.run(RunStarted(start, 0), finished(second.receive(1), 3), RunEnded(start))
    (whole,) = [body for body in bodies(seen, b"summary") if body["scope"] == "run"]
    assert (whole["facts"]["frames"], whole["facts"]["found"]) == (2, 5)
    assert bodies(seen, b"status")[0]["event"] == "run_ended"
    second.close()


def test_reading_a_long_run_again_shows_life_all_the_while(
    tmp_path: Path, make_model: Callable[..., ServedModel], make_start: StartMaker
) -> None:
    start = make_start()
    first = Desk(tmp_path, make_model(), start)
    first.run(RunStarted(start), *(finished(first.receive(seq), 1) for seq in range(40)))
    first.close()
    second = Desk(tmp_path, make_model(), start)
    second.run(RunStarted(start, 0), finished(second.receive(40), 1))
    assert second.beats > 40
    second.close()


def _quietly(desk: Desk, entry: Entry) -> None:
    from phenostream.daemon.channel import Aborted

    publisher = Publisher(desk.context, URL, 100, desk.journal, dict)
    desk.entries.put(entry)
    try:
        desk.commit.run(publisher, desk.wake, lambda: None)
    except Aborted:
        publisher.close()
