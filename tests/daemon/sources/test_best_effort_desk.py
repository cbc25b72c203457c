"""A source that nobody answers: every message ends in one counter, and every frame in one fate or in the gaps."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phenostream.daemon.channel import Channel
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import Entry, Passage, ReceivedFrame, RunEnded, RunStarted
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.source_config import SourceConfig
from phenostream.daemon.sources.best_effort_desk import OUTCOMES, BestEffortDesk
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.reception import Clock, Outlets
from phenostream.daemon.sources.runs import PARK_AFTER_S, RunBook
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    FrameHeader,
    FromSource,
    Hello,
    Refused,
    Report,
    ShotHeader,
    Start,
    encode,
)

StartMaker = Callable[..., Start]
DATA = b"\x07" * (4 * 128 * 128)
FATES = ("published", "dropped", "quarantined", "failed")


@dataclass
class Bench:
    """Two sources and the lossless port on one desk, and a commit thread played by hand."""

    folder: Path
    max_open: int = 4
    now_s: float = 0.0
    topic: str | None = None
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        config = IngestConfig(endpoint="ipc:///nowhere", max_open_runs=self.max_open)
        self.frames: Channel[ReceivedFrame] = Channel(None)
        self.entries: Channel[Entry] = Channel(None)
        self.runs = RunBook(self.max_open, self.ledger.in_flight)
        outlets = Outlets(
            self.frames,
            self.entries,
            Quarantine(self.folder, 1 << 20),
            lambda start: None,
            lambda: None,
        )
        self.desk = IngestDesk(config, self.ledger, self.runs, outlets)
        self.sources = {name: self.source(name) for name in ("a", "b")}

    def source(self, name: str) -> BestEffortDesk:
        config = SourceConfig(
            name=name,
            socket="sub",
            endpoint=f"ipc:///{name}",
            topic=self.topic,
            max_frame_bytes=1 << 20,
            idle_end_s=60,
        )
        return BestEffortDesk(config, self.desk, self.ledger, self.runs)

    def say(self, message: FromSource | bytes, *parts: bytes, source: str = "a") -> None:
        header = message if isinstance(message, bytes) else encode(message)
        self.raw(header, *parts, source=source)

    def raw(self, *parts: bytes, source: str = "a") -> None:
        self.sources[source].receive([memoryview(part) for part in parts], Clock(1, self.now_s))

    def lossless(self, message: FromSource, *parts: bytes) -> list[Any]:
        views = [memoryview(part) for part in (encode(message), *parts)]
        return [letter.message for letter in self.desk.receive(b"p", views, Clock(1, self.now_s))]

    def commit(self) -> list[Entry]:
        """Settle all that was handed on, report all runs that ended; nobody is answered."""
        for received in self.frames.take_all():
            arrival = received.arrival
            assert arrival.source in self.sources
            self._settle(arrival.start.run, arrival.frame_seq, "published", None)
        seen: list[Entry] = []
        while entries := self.entries.take_all():
            seen += entries
            for entry in entries:
                if isinstance(entry, Passage) and entry.failure is not None:
                    run, seq = entry.arrival.start.run, entry.arrival.frame_seq
                    self._settle(run, seq, *entry.failure)
                elif isinstance(entry, RunEnded):
                    run = entry.start.run
                    letters = self.desk.settled(Report(run=run, ledger=self.ledger.run(run)))
                    assert letters == []
        return seen

    def _settle(self, run: str, seq: int, fate: Any, reason: str | None) -> None:
        self.ledger.settle(run, seq, fate, reason)
        assert self.desk.settled(Ack(run=run, frame_seq=seq, fate=fate, reason=reason)) == []

    def counts(self, source: str = "a") -> dict[str, Any]:
        told = self.sources[source].told()
        return {key: n for key, n in told.items() if n and isinstance(n, int)}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    check(bench)


def check(bench: Bench) -> None:
    """The two equations that hold at any instant."""
    for run in bench.ledger.runs():
        account = bench.ledger.run(run)
        assert account["received"] == account["in_flight"] + sum(account[fate] for fate in FATES)
    for source in bench.sources.values():
        told = source.told()
        assert told["messages"] == sum(int(told[outcome]) for outcome in OUTCOMES)


def frame(start: Start, seq: int, **changes: Any) -> FrameHeader:
    fields: dict[str, Any] = {
        "run": start.run,
        "frame_seq": seq,
        "shape": (4, start.height, start.width),
        "dtype": start.dtype,
        "source_utc_ns": 1_000 + seq,
    }
    return FrameHeader.model_validate(fields | changes)


def shot(start: Start, seq: int, which: str) -> ShotHeader:
    fields = {"run": start.run, "frame_seq": seq, "illumination": which, "dtype": start.dtype}
    shape = (start.height, start.width)
    return ShotHeader.model_validate(fields | {"shape": shape, "source_utc_ns": 1_000 + seq})


def test_shots_are_assembled_and_end_with_their_time_or_with_the_daemon(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.say(start)
    for which in ("left", "right", "top", "bottom", "left"):
        bench.say(shot(start, 0, which), DATA[: 128**2])
    for seq in (1, 2):
        bench.say(shot(start, seq, "top"), DATA[: 128**2])
        bench.now_s += 4.0
        bench.desk.expire(Clock(1, bench.now_s))
    bench.desk.drain()
    reasons = [e.failure and e.failure[1] for e in bench.commit() if isinstance(e, Passage)]
    assert reasons == [
        "incomplete: 1 of 4 shots, left, right, bottom missing after 5 s",
        "incomplete: 1 of 4 shots, left, right, bottom missing when the daemon stopped",
    ]
    account = bench.ledger.run(start.run)
    names = ("published", "quarantined", "in_flight", "shots_late")
    assert [account[name] for name in names] == [1, 2, 0, 1]
    assert bench.counts() == {"messages": 8, "starts": 1, "frames": 7}
    assert bench.desk.idle


def test_a_run_with_a_gap_a_repeat_and_a_swap(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    bench.say(start)
    for seq in (0, 2, 1, 5, 2):
        bench.say(frame(start, seq), DATA)
    account = bench.ledger.run(start.run)
    assert (account["received"], account["gaps"], account["missing"]) == (4, 2, 0)
    bench.say(End(run=start.run, n_frames=9))
    entries = bench.commit()
    assert entries == [
        RunStarted(start, source="a"),
        RunEnded(start, source="a", ended_by="source"),
    ]
    account = bench.ledger.run(start.run)
    assert (account["published"], account["gaps"], account["missing"]) == (4, 2, 5)
    assert account["duplicates"] == 1
    assert bench.counts() == {"messages": 7, "starts": 1, "frames": 5, "ends": 1}
    assert bench.desk.idle


def test_frames_before_their_start_are_counted_and_become_gaps(
    bench: Bench, make_start: StartMaker, caplog: pytest.LogCaptureFixture
) -> None:
    start = make_start()
    for seq in range(3):
        bench.say(frame(start, seq), DATA)
    bench.say(End(run=start.run, n_frames=3))
    assert bench.ledger.runs() == []
    bench.say(start)
    bench.say(frame(start, 3), DATA)
    bench.say(End(run=start.run, n_frames=4))
    account = bench.ledger.run(start.run)
    assert (account["received"], account["gaps"], account["missing"]) == (1, 3, 3)
    assert bench.ledger.total()["unstarted"] == bench.counts()["unstarted"] == 4
    said = [r for r in caplog.records if "before its start" in r.getMessage()]
    assert [r.levelno for r in said] == [logging.WARNING] * 2  # frames, and the end: once each


def test_start_may_be_repeated_with_another_time_and_nothing_else(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.say(start)
    bench.say(start.model_copy(update={"source_utc_ns": 99}))
    assert bench.counts() == {"messages": 2, "starts": 2}
    bench.say(start.model_copy(update={"white_level": 200.0}))
    assert bench.counts() == {"messages": 3, "starts": 2, "refused": 1}
    assert bench.commit() == [RunStarted(start, source="a")]


UNFIT: list[dict[str, Any]] = [{"height": 2048, "width": 2048}]


@pytest.mark.parametrize("changes", UNFIT)
def test_a_start_that_cannot_be_served_is_refused(
    bench: Bench, make_start: StartMaker, changes: dict[str, Any]
) -> None:
    start = make_start(**changes)
    bench.say(start)
    bench.say(frame(start, 0), DATA)
    assert bench.counts() == {"messages": 2, "refused": 1, "unstarted": 1}


def test_one_run_has_one_source(
    bench: Bench, make_start: StartMaker, caplog: pytest.LogCaptureFixture
) -> None:
    start = make_start()
    bench.say(start, source="a")
    messages: list[tuple[FromSource, tuple[bytes, ...]]] = [
        (start, ()),
        (frame(start, 0), (DATA,)),
        (End(run=start.run, n_frames=0), ()),
    ]
    for message, parts in messages:
        bench.say(message, *parts, source="b")
    assert bench.counts("b") == {"messages": 3, "refused": 3}
    assert len([r for r in caplog.records if "conflict" in r.getMessage()]) == 1
    bench.lossless(Hello(instrument="scope"))
    for message, parts in messages:
        (answer,) = bench.lossless(message, *parts)
        assert isinstance(answer, Refused)
        assert answer.reason.startswith("conflict: best-effort source a has run")
    assert bench.ledger.run(start.run)["received"] == 0


def test_a_lossless_run_is_not_taken_over(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    bench.lossless(Hello(instrument="scope"))
    bench.lossless(start)
    bench.say(start)
    bench.say(frame(start, 0), DATA)
    bench.say(msgpack.packb(frame(start, 1).model_dump() | {"colour": "red"}), DATA)
    assert bench.counts() == {"messages": 3, "refused": 2, "malformed": 1}
    assert bench.ledger.run(start.run)["received"] == 0


def test_a_lost_end_is_made_up_for_after_the_silence(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    source = bench.sources["a"]
    bench.say(start)
    for seq in (0, 3):
        bench.say(frame(start, seq), DATA)
    source.tick(Clock(1, 0.0))
    bench.now_s = 59.0
    source.tick(Clock(1, bench.now_s))
    assert not bench.ledger.ended(start.run)
    source.tick(Clock(1, 60.0))
    source.tick(Clock(1, 61.0))  # the frames are in flight: it waits for their fates
    ended = [entry for entry in bench.commit() if isinstance(entry, RunEnded)]
    assert ended == [RunEnded(start, "a", "timeout")]
    account = bench.ledger.run(start.run)
    assert (account["announced"], account["missing"]) == (4, 2)
    bench.say(frame(start, 4), DATA)
    bench.say(frame(start, 3), DATA)
    bench.say(frame(start, 1), DATA)
    account = bench.ledger.run(start.run)
    assert (account["late"], account["duplicates"], account["received"]) == (2, 1, 2)
    bench.say(End(run=start.run, n_frames=4))
    bench.say(End(run=start.run, n_frames=9))
    assert (bench.counts()["ends"], bench.counts()["refused"]) == (1, 1)
    assert bench.counts()["ended_by_timeout"] == 1


def test_time_in_which_nobody_listened_is_no_silence(bench: Bench, make_start: StartMaker) -> None:
    start, source = make_start(), bench.sources["a"]
    bench.now_s = 1.0
    bench.say(start)
    source.tick(Clock(1, 1.0))
    source.tick(Clock(1, 41.0))
    source.pause(900.0)  # a full disk: what the source sent meanwhile waits unread
    source.tick(Clock(1, 951.0))
    assert not bench.ledger.ended(start.run)
    source.tick(Clock(1, 960.0))
    assert not bench.ledger.ended(start.run)
    source.tick(Clock(1, 961.0))
    assert bench.ledger.ended(start.run)


def test_a_quiet_run_with_the_highest_number_is_ended(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    bench.say(start)
    raw = frame(start, 0).model_dump()
    for seq in (2**64 - 1, 2**64 - 2):
        bench.say(msgpack.packb(raw | {"frame_seq": seq}), DATA)
    bench.commit()
    bench.now_s = 0.0
    for bench.now_s in (1.0, 2.0, 70.0, 140.0):
        bench.sources["a"].tick(Clock(1, bench.now_s))
    assert bench.commit() == [RunEnded(start, source="a", ended_by="timeout")]
    assert bench.ledger.run(start.run)["announced"] == 2**64 - 1


def test_the_announced_frames_are_missing_when_the_end_is_lost(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start(n_expected=10)
    bench.say(start)
    bench.say(frame(start, 0), DATA)
    bench.commit()
    bench.sources["a"].tick(Clock(1, 0.0))
    bench.sources["a"].tick(Clock(1, 60.0))
    assert bench.ledger.run(start.run)["missing"] == 9


def test_an_end_with_fewer_frames_than_came_leaves_the_run_open(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.say(start)
    bench.say(frame(start, 7), DATA)
    bench.say(End(run=start.run, n_frames=2))
    assert bench.counts()["refused"] == 1
    bench.say(frame(start, 8), DATA)
    assert bench.ledger.run(start.run)["received"] == 2


def test_a_run_of_the_journal_goes_on_without_its_start(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.runs.restore(start, 17, "a")
    bench.ledger.open(start.run, None)
    for seq in (0, 1):
        bench.ledger.settle(start.run, seq, "published")
    for seq in (1, 4):
        bench.say(frame(start, seq), DATA)
    assert bench.commit() == [RunStarted(start, 17, "a")]
    account = bench.ledger.run(start.run)
    assert (account["published"], account["duplicates"], account["gaps"]) == (3, 1, 2)


def test_a_run_of_the_journal_whose_source_is_gone_ends_after_the_silence(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.runs.restore(start, 17, "a")
    bench.ledger.open(start.run, None)
    bench.ledger.settle(start.run, 3, "published")
    source = bench.sources["a"]
    source.tick(Clock(1, 1000.0))
    source.tick(Clock(1, 1059.0))
    assert bench.commit() == []
    source.tick(Clock(1, 1060.0))
    assert bench.commit() == [RunStarted(start, 17, "a"), RunEnded(start, "a", "timeout")]
    assert bench.ledger.run(start.run)["missing"] == 3


def test_a_parked_run_opens_by_its_next_frame_when_there_is_room(
    tmp_path: Path, make_start: StartMaker
) -> None:
    bench = Bench(tmp_path, max_open=1)
    first, second = make_start(), make_start()
    bench.say(first)
    bench.now_s = PARK_AFTER_S
    bench.say(second)
    bench.say(frame(first, 0), DATA)
    assert bench.counts() == {"messages": 3, "starts": 2, "refused": 1}
    bench.say(End(run=second.run, n_frames=0))
    bench.commit()
    bench.say(frame(first, 1), DATA)
    assert bench.ledger.run(first.run)["received"] == 1
    check(bench)


def test_a_source_that_restarts_with_its_run_is_warned_about(
    bench: Bench, make_start: StartMaker, caplog: pytest.LogCaptureFixture
) -> None:
    start = make_start()
    bench.say(start)
    for seq in range(4):
        bench.say(frame(start, seq), DATA)
    bench.say(frame(start, 2), DATA)  # sent again: the time it had
    assert bench.ledger.run(start.run)["restarts"] == 0
    for seq in range(6):
        bench.say(frame(start, seq, source_utc_ns=9_000 + seq), DATA)
    account = bench.ledger.run(start.run)
    assert (account["restarts"], account["duplicates"], account["received"]) == (1, 5, 6)
    (said,) = [r.getMessage() for r in caplog.records if "begins again" in r.getMessage()]
    assert "a new acquisition needs a new run id" in said
    bench.say(frame(start, 0, source_utc_ns=3), DATA)  # its clock jumped back, too
    assert bench.ledger.run(start.run)["restarts"] == 2


TIMES = [0, 2**64 - 1, 1, 2**63, 1_790_000_000_000_000_000, 0, 7]


def test_times_that_jump_change_nothing(bench: Bench, make_start: StartMaker) -> None:
    start = make_start(source_utc_ns=2**64 - 1)
    bench.say(start)
    for seq, utc_ns in enumerate(TIMES):
        bench.say(frame(start, seq, source_utc_ns=utc_ns), DATA)
    arrivals = [received.arrival for received in bench.frames.take_all()]
    assert [arrival.source_utc_ns for arrival in arrivals] == TIMES
    assert [arrival.frame_seq for arrival in arrivals] == list(range(len(TIMES)))
    assert bench.ledger.run(start.run)["restarts"] == 0


def test_the_topic_part_is_taken_off(tmp_path: Path, make_start: StartMaker) -> None:
    bench = Bench(tmp_path, topic="cam")
    start = make_start()
    bench.raw(b"cam1", encode(start))
    bench.raw(b"cam1", encode(frame(start, 0)), DATA)
    bench.raw(b"cam1")
    bench.raw(encode(frame(start, 1)), DATA)
    assert bench.counts() == {"messages": 4, "starts": 1, "frames": 1, "malformed": 2}
    check(bench)


BROKEN: list[tuple[bytes, ...]] = [
    (),
    (b"",),
    (b"\xc1",),
    (b"topic", b"x", b"y"),
    (b"x" * (65 << 10),),
    (encode(Hello(instrument="scope")),),
    (b"",) * 100,
]


@pytest.mark.parametrize("parts", BROKEN, ids=range(len(BROKEN)))
def test_garbage_is_counted(bench: Bench, parts: tuple[bytes, ...]) -> None:
    bench.raw(*parts)
    assert bench.counts() == {"messages": 1, "malformed": 1}
    assert bench.ledger.total()["malformed"] == 1


def test_a_frame_that_breaks_its_contract_is_quarantined(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.say(start)
    bench.say(frame(start, 0), DATA[1:])
    bench.say(msgpack.packb(frame(start, 1).model_dump() | {"colour": "red"}), DATA)
    bench.say(frame(start, 2), DATA, DATA)
    bench.commit()
    account = bench.ledger.run(start.run)
    assert (account["quarantined"], account["gaps"]) == (3, 0)
    assert bench.counts() == {"messages": 4, "starts": 1, "frames": 1, "malformed": 2}


def test_a_stranger_who_invents_runs_cannot_fill_the_log(
    bench: Bench, make_start: StartMaker, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(1000):
        bench.say(frame(make_start(), 0), DATA)
    assert bench.counts() == {"messages": 1000, "unstarted": 1000}
    assert 100 < len(caplog.records) < 300
    assert "counted, not logged" in caplog.records[-1].getMessage()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_lost_repeated_and_swapped_the_account_is_exact(
    tmp_path_factory: pytest.TempPathFactory, make_start: StartMaker, data: st.DataObject
) -> None:
    """Two runs of one source and one of another; some START, some frames and some ENDs never arrive."""
    bench = Bench(tmp_path_factory.mktemp("q"))
    starts = [make_start() for _ in range(3)]
    owners = ["a", "a", "b"]
    kept: list[set[int]] = [set(), set(), set()]
    repeats, unstarted, begun = [0, 0, 0], 0, [False] * 3
    for _ in range(data.draw(st.integers(0, 40))):
        which = data.draw(st.integers(0, 2))
        start, seq = starts[which], data.draw(st.integers(0, 12))
        if data.draw(st.integers(0, 5)) == 0:
            bench.say(start, source=owners[which])
            begun[which] = True
            continue
        bench.say(frame(start, seq), DATA, source=owners[which])
        if not begun[which]:
            unstarted += 1
        elif seq in kept[which]:
            repeats[which] += 1
        else:
            kept[which].add(seq)
        if data.draw(st.booleans()):
            bench.commit()
    for which, start in enumerate(starts):
        if not begun[which]:
            continue
        bench.say(End(run=start.run, n_frames=13), source=owners[which])
        bench.commit()
        account = bench.ledger.run(start.run)
        assert account["published"] == account["received"] == len(kept[which])
        assert account["missing"] == 13 - len(kept[which])
        assert account["gaps"] == max(kept[which], default=-1) + 1 - len(kept[which])
        assert account["duplicates"] == repeats[which]
        assert account["restarts"] == 0
    assert bench.ledger.total()["unstarted"] == unstarted
    check(bench)
