"""The ingest protocol as a table of what a source may say and what it is answered, without a socket."""

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phenostream.daemon.channel import Channel
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import (
    Arrival,
    Entry,
    Passage,
    ReceivedFrame,
    RunEnded,
    RunStarted,
)
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.peers import Peers
from phenostream.daemon.sources.reception import Clock, Letter, Outlets
from phenostream.daemon.sources.runs import PARK_AFTER_S, RunBook
from phenostream.daemon.wire.encoding import pack_counts
from phenostream.daemon.wire.ingest import (
    Ack,
    Encoding,
    End,
    FrameHeader,
    FromDaemon,
    FromSource,
    Hello,
    Refused,
    Report,
    ShotHeader,
    Start,
    Started,
    Welcome,
    encode,
)
from phenostream.engine.errors import BadInput

StartMaker = Callable[..., Start]
FRAME_BYTES = 4 * 128 * 128
DATA = b"\x07" * FRAME_BYTES


@dataclass
class Bench:
    """A desk with what is around it, and a commit thread played by hand."""

    folder: Path
    max_open: int = 2
    credit: int = 4 * FRAME_BYTES
    now_s: float = 0.0
    camera_fault: str | None = None
    beat: Callable[[], None] = lambda: None
    encodings: tuple[Encoding, ...] = ("raw", "blosc2")
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        config = IngestConfig(
            endpoint="ipc:///nowhere",
            max_frame_bytes=1 << 20,
            credit_bytes=self.credit,
            max_open_runs=self.max_open,
        )
        self.frames: Channel[ReceivedFrame] = Channel(100)
        self.entries: Channel[Entry] = Channel(100)
        self.runs = RunBook(self.max_open, self.ledger.in_flight)
        self.quarantine = Quarantine(self.folder, 1 << 20)
        outlets = Outlets(
            self.frames,
            self.entries,
            self.quarantine,
            self.check,
            lambda: self.beat(),
            self.encodings,
        )
        self.desk = IngestDesk(config, self.ledger, self.runs, outlets)

    def check(self, start: Start) -> None:
        if self.camera_fault:
            raise BadInput(self.camera_fault)

    def say(
        self, message: FromSource | bytes | bytearray, *parts: bytes | bytearray, peer: bytes = b"p"
    ) -> list[FromDaemon]:
        header = message if isinstance(message, bytes | bytearray) else encode(message)
        views = [memoryview(part) for part in (header, *parts)]
        letters = self.desk.receive(peer, views, Clock(time.time_ns(), self.now_s))
        return [letter.message for letter in letters]

    def one(self, message: FromSource | bytes, *parts: bytes, peer: bytes = b"p") -> FromDaemon:
        (answer,) = self.say(message, *parts, peer=peer)
        return answer

    def begin(self, start: Start, peer: bytes = b"p") -> FromDaemon:
        self.say(Hello(instrument=start.instrument), peer=peer)
        return self.one(start, peer=peer)

    def settle(self, arrival: Arrival, reason: str | None = None) -> list[Letter]:
        run, seq = arrival.start.run, arrival.frame_seq
        fate = cast("Any", "published" if reason is None else "quarantined")
        self.ledger.settle(run, seq, fate, reason)
        return self.desk.settled(Ack(run=run, frame_seq=seq, fate=fate, reason=reason))

    def commit(self) -> list[Letter]:
        """Settle all that was handed on and report all runs that ended."""
        letters: list[Letter] = []
        for frame in self.frames.take_all():
            letters += self.settle(frame.arrival)
        while entries := self.entries.take_all():
            for entry in entries:
                if isinstance(entry, Passage):
                    assert entry.failure is not None
                    letters += self.settle(entry.arrival, entry.failure[1])
                elif isinstance(entry, RunEnded):
                    run = entry.start.run
                    letters += self.desk.settled(Report(run=run, ledger=self.ledger.run(run)))
        return letters


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for run in bench.ledger.runs():
        account = bench.ledger.run(run)
        fates = sum(account[k] for k in ("published", "dropped", "quarantined", "failed"))
        assert account["received"] == fates + account["in_flight"]


def frame(start: Start, seq: int, **changes: Any) -> FrameHeader:
    fields: dict[str, Any] = {
        "run": start.run,
        "frame_seq": seq,
        "shape": (4, start.height, start.width),
        "dtype": start.dtype,
        "source_utc_ns": 1,
    }
    return FrameHeader.model_validate(fields | changes)


def test_a_run_from_hello_to_report(bench: Bench, make_start: StartMaker) -> None:
    start = make_start(n_expected=3)
    welcome = bench.one(Hello(instrument="scope", run=start.run))
    assert isinstance(welcome, Welcome)
    assert (welcome.credit_bytes, welcome.last_acked) == (bench.credit, None)
    assert bench.one(start) == Started(run=start.run)
    for seq in range(3):
        assert bench.say(frame(start, seq), DATA) == []
    assert bench.say(End(run=start.run, n_frames=3)) == []
    answers = [letter.message for letter in bench.commit()]
    assert [a.frame_seq for a in answers if isinstance(a, Ack)] == [0, 1, 2]
    report = answers[-1]
    assert isinstance(report, Report)
    assert (report.ledger["published"], report.ledger["missing"]) == (3, 0)
    assert bench.one(End(run=start.run, n_frames=3)) == report
    assert bench.desk.idle


def test_frames_are_views_of_the_message_in_the_announced_shape(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start)
    data = bytearray(DATA)
    bench.say(frame(start, 0, x_um=1.0, y_um=2.0, exposure_ms=3.0), data)
    received = bench.frames.get(0)
    assert received is not None
    assert received.counts is not None
    data[0] = 99
    assert received.counts[0][0, 0] == 99
    assert [shot.shape for shot in received.counts] == [(128, 128)] * 4
    assert received.arrival.stage_um == (1.0, 2.0, None)


BAD_FRAMES: list[tuple[str, dict[str, Any], bytes]] = [
    ("shape", {"shape": (4, 128, 127)}, DATA),
    ("shape", {"shape": (3, 128, 128)}, DATA),
    ("shape", {"shape": (1, 4, 16384)}, DATA),
    ("dtype", {"dtype": "u16"}, DATA * 2),
    ("length", {}, DATA[:-1]),
    ("length", {}, DATA + b"\0"),
    ("length", {}, b""),
    ("crc32", {"crc32": 1}, DATA),
    ("location", {"location": "shm"}, b""),
]


@pytest.mark.parametrize(("code", "changes", "data"), BAD_FRAMES)
def test_a_frame_that_breaks_its_start_is_quarantined_with_the_reason(
    bench: Bench, make_start: StartMaker, code: str, changes: dict[str, Any], data: bytes
) -> None:
    start = make_start()
    bench.begin(start)
    assert bench.say(frame(start, 0, **changes), data) == []
    (letter,) = bench.commit()
    assert isinstance(letter.message, Ack)
    assert letter.message.fate == "quarantined"
    assert (letter.message.reason or "").startswith(f"{code}: ")
    assert bench.ledger.run(start.run)[f"quarantined.{code}"] == 1
    assert len(bench.quarantine) == 1
    assert len(bench.frames) == 0


CHUNK = pack_counts(memoryview(DATA), 1)
BAD_CHUNKS: list[tuple[str, dict[str, Any], bytes]] = [
    ("encoding", {"encoding": "blosc2"}, DATA),
    ("encoding", {"encoding": "blosc2"}, CHUNK[:-1]),
    ("encoding", {"encoding": "blosc2"}, pack_counts(memoryview(DATA * 2), 1)),
    ("length", {}, CHUNK),
    ("crc32", {"encoding": "blosc2", "crc32": zlib.crc32(DATA)}, CHUNK),
]


@pytest.mark.parametrize(("code", "changes", "data"), BAD_CHUNKS)
def test_a_chunk_that_is_no_frame_is_quarantined_as_it_came(
    bench: Bench, make_start: StartMaker, code: str, changes: dict[str, Any], data: bytes
) -> None:
    start = make_start()
    bench.begin(start)
    assert bench.say(frame(start, 0, **changes), data) == []
    bench.commit()
    assert bench.ledger.run(start.run)[f"quarantined.{code}"] == 1
    (kept,) = bench.folder.glob("*.frame")
    assert kept.read_bytes() == data


def test_a_chunk_whose_header_fits_goes_on_and_its_checksum_is_of_what_was_sent(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start)
    crc32 = zlib.crc32(CHUNK)
    assert bench.say(frame(start, 0, encoding="blosc2", crc32=crc32), CHUNK) == []
    (received,) = bench.frames.take_all()
    assert received.counts is None
    bench.settle(received.arrival)


def test_an_encoding_that_welcome_did_not_name_is_quarantined_and_the_extra_is_named(
    tmp_path: Path, make_start: StartMaker
) -> None:
    bench, start = Bench(tmp_path, encodings=("raw",)), make_start()
    welcome = bench.one(Hello(instrument=start.instrument))
    assert isinstance(welcome, Welcome)
    assert welcome.encodings == ("raw",)
    bench.one(start)
    bench.say(frame(start, 0, encoding="blosc2"), CHUNK)
    (letter,) = bench.commit()
    assert isinstance(letter.message, Ack)
    assert "takes raw; imagecodecs is not installed" in (letter.message.reason or "")
    assert "phenostream[compression]" in (letter.message.reason or "")


RAW_FRAMES: list[tuple[str, dict[str, Any]]] = [
    ("encoding", {"encoding": "zstd"}),
    ("dtype", {"dtype": "f32"}),
    ("shape", {"shape": [128, 128]}),
    ("colour", {"colour": "red"}),
    ("source_utc_ns", {"source_utc_ns": -1}),
]


@pytest.mark.parametrize(("code", "changes"), RAW_FRAMES)
def test_a_frame_header_outside_the_schema_still_gives_its_frame_a_fate(
    bench: Bench, make_start: StartMaker, code: str, changes: dict[str, Any]
) -> None:
    start = make_start()
    bench.begin(start)
    header = msgpack.packb(frame(start, 0).model_dump() | changes)
    assert bench.say(header, DATA) == []
    (letter,) = bench.commit()
    assert isinstance(letter.message, Ack)
    assert (letter.message.fate, letter.message.frame_seq) == ("quarantined", 0)
    assert (letter.message.reason or "").startswith("header: ")
    assert code in (letter.message.reason or "")


def test_a_right_crc_passes(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    bench.begin(start)
    bench.say(frame(start, 0, crc32=zlib.crc32(DATA)), DATA)
    assert len(bench.frames) == 1


GARBAGE: list[bytes] = [
    b"",
    b"\xc1",
    b"\x93\x01\x02\x03",
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 100_000,
    b"x" * (65 << 10),
    msgpack.packb({}),
    msgpack.packb({"v": 2, "type": "hello", "instrument": "scope"}),
    msgpack.packb({"v": 1, "type": "hello"}),
    msgpack.packb({"v": 1, "type": "hello", "instrument": "scope", "admin": True}),
    msgpack.packb({"v": 1, "type": "welcome"}),
    msgpack.packb({"v": 1, "type": "frame", "run": "no", "frame_seq": 0}),
    msgpack.packb({"v": 1, "type": "frame", "run": "no", "frame_seq": True}),
    msgpack.packb({"v": 1, "type": "frame", "run": 7, "frame_seq": 2**64 - 1}),
    msgpack.packb({1: 2}),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("greeted", [False, True])
def test_garbage_is_counted_and_answered_with_one_line(
    bench: Bench, garbage: bytes, greeted: bool
) -> None:
    if greeted:
        bench.say(Hello(instrument="scope"))
    answer = bench.one(garbage)
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("message: ")
    assert "\n" not in answer.reason
    assert len(answer.reason) < 400
    assert bench.ledger.total()["malformed"] == 1


def test_the_number_of_parts_must_fit_the_message(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    cases: list[tuple[FromSource, tuple[bytes, ...]]] = [
        (Hello(instrument="scope"), (b"x",)),
        (start, (DATA,)),
    ]
    for message, parts in cases:
        answer = bench.one(message, *parts)
        assert isinstance(answer, Refused)
        assert "2 parts" in answer.reason
    assert bench.say(b"") != []
    bench.begin(start)
    assert bench.say(frame(start, 0)) == []
    assert bench.say(frame(start, 1), DATA, DATA) == []
    assert [cast(Ack, letter.message).fate for letter in bench.commit()] == ["quarantined"] * 2


def test_nothing_is_taken_before_hello_and_start(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    cases: list[tuple[FromSource, tuple[bytes, ...]]] = [
        (start, ()),
        (frame(start, 0), (DATA,)),
        (End(run=start.run, n_frames=0), ()),
    ]
    for message, parts in cases:
        answer = bench.one(message, *parts)
        assert isinstance(answer, Refused)
        assert answer.reason.startswith("hello first: ")
    bench.say(Hello(instrument="scope"))
    answer = bench.one(frame(start, 0), DATA)
    assert answer == Refused(
        reason=f"hello first: no start of run {start.run}", run=start.run, frame_seq=0
    )
    assert bench.ledger.runs() == []


def test_the_same_start_is_harmless_and_another_one_is_a_conflict(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    assert bench.begin(start) == bench.one(start) == Started(run=start.run)
    other = start.model_copy(update={"white_level": 200.0})
    answer = bench.one(other)
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("conflict: ")
    assert bench.say(frame(start, 0), DATA) == []
    assert sum(isinstance(entry, RunStarted) for entry in bench.entries.take_all()) == 1


STARTS: list[tuple[str, dict[str, Any], str | None]] = [
    ("conflict: instrument other", {"instrument": "other"}, None),
    ("unfit: frames of", {"height": 1024, "width": 1024}, None),
    ("unfit: too small", {}, "too small"),
]


@pytest.mark.parametrize(("reason", "changes", "fault"), STARTS)
def test_a_start_that_cannot_be_served_is_refused(
    bench: Bench, make_start: StartMaker, reason: str, changes: dict[str, Any], fault: str | None
) -> None:
    bench.camera_fault = fault
    bench.say(Hello(instrument="scope"))
    answer = bench.one(make_start(**changes))
    assert isinstance(answer, Refused)
    assert answer.reason.startswith(reason)
    assert bench.ledger.runs() == []


def test_a_duplicate_is_counted_and_acknowledged_again_with_its_fate(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start)
    bench.say(frame(start, 0), DATA)
    bench.say(frame(start, 1), DATA[1:])
    first = [letter.message for letter in bench.commit()]
    again = [bench.one(frame(start, seq), DATA) for seq in range(2)]
    assert again == first
    assert bench.ledger.run(start.run)["duplicates"] == 2
    assert bench.ledger.run(start.run)["received"] == 2


def test_a_duplicate_in_flight_is_acknowledged_once_to_the_newest_connection(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start, peer=b"old")
    bench.say(frame(start, 0), DATA, peer=b"old")
    bench.begin(start, peer=b"new")
    assert bench.say(frame(start, 0), DATA, peer=b"new") == []
    (letter,) = bench.commit()
    assert letter.peer == b"new"
    assert bench.ledger.run(start.run)["duplicates"] == 1


@pytest.mark.parametrize(
    ("expected", "end", "seq", "late"),
    [(3, None, 3, True), (3, None, 2, False), (None, 2, 2, True), (None, 2, 1, True)],
)
def test_a_frame_beyond_the_announced_count_or_after_end_is_late(
    bench: Bench,
    make_start: StartMaker,
    expected: int | None,
    end: int | None,
    seq: int,
    late: bool,
) -> None:
    start = make_start(n_expected=expected)
    bench.begin(start)
    if end is not None:
        bench.say(End(run=start.run, n_frames=end))
    answers = bench.say(frame(start, seq), DATA)
    assert bool(answers) == late
    if late:
        assert isinstance(answers[0], Refused)
        assert (answers[0].frame_seq, answers[0].reason[:6]) == (seq, "late: ")
    assert bench.ledger.run(start.run)["late"] == late


def test_an_end_below_what_was_received_leaves_the_run_open(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start)
    bench.say(frame(start, 4), DATA)
    answer = bench.one(End(run=start.run, n_frames=4))
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("end: n_frames 4, but frame_seq 4 was received")
    assert bench.say(frame(start, 5), DATA) == []
    bench.say(End(run=start.run, n_frames=8))
    report = bench.commit()[-1].message
    assert isinstance(report, Report)
    assert (report.ledger["received"], report.ledger["missing"]) == (2, 6)


def test_credit_bounds_what_one_connection_has_outstanding(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start)
    for seq in range(4):
        assert bench.say(frame(start, seq), DATA) == []
    answer = bench.one(frame(start, 4), DATA)
    assert isinstance(answer, Refused)
    assert (answer.frame_seq, answer.reason[:8]) == (4, "credit: ")
    assert bench.ledger.run(start.run)["received"] == 4
    bench.commit()
    assert bench.say(frame(start, 4), DATA) == []


def test_one_frame_is_allowed_whatever_the_credit(tmp_path: Path, make_start: StartMaker) -> None:
    bench = Bench(tmp_path, credit=64 << 10)
    start = make_start(height=256, width=256)
    bench.begin(start)
    data = b"\0" * start.frame_bytes
    assert bench.say(frame(start, 0), data) == []
    assert isinstance(bench.one(frame(start, 1), data), Refused)


def test_hello_again_keeps_what_is_outstanding(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    bench.begin(start)
    for seq in range(4):
        bench.say(frame(start, seq), DATA)
    bench.say(Hello(instrument="scope"))
    answer = bench.one(frame(start, 4), DATA)
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("credit: ")
    bench.commit()
    assert bench.say(frame(start, 4), DATA) == []


def test_nobody_speaks_for_the_run_of_another_instrument(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start(instrument="a")
    bench.begin(start, peer=b"a")
    bench.say(Hello(instrument="b"), peer=b"b")
    foreign: list[tuple[FromSource, tuple[bytes, ...]]] = [
        (End(run=start.run, n_frames=0), ()),
        (frame(start, 0), (DATA,)),
        (start, ()),
    ]
    for message, parts in foreign:
        answer = bench.one(message, *parts, peer=b"b")
        assert isinstance(answer, Refused)
        assert answer.reason.startswith("conflict: ")
    assert bench.ledger.run(start.run)["refused"] == 3
    broken = msgpack.packb(frame(start, 0).model_dump() | {"colour": "red"})
    answer = bench.one(broken, DATA, peer=b"b")
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("message: ")
    assert bench.ledger.run(start.run)["malformed"] == 0
    assert bench.ledger.total()["malformed"] == 1
    assert bench.say(frame(start, 0), DATA, peer=b"a") == []
    (letter,) = bench.commit()
    assert (letter.peer, cast(Ack, letter.message).fate) == (b"a", "published")


@pytest.mark.parametrize("kind", ["frame", "shot"])
def test_a_broken_header_before_hello_is_refused_and_no_frame(
    bench: Bench, make_start: StartMaker, kind: str
) -> None:
    start = make_start()
    bench.begin(start)
    broken = msgpack.packb(frame(start, 0).model_dump() | {"type": kind, "colour": "red"})
    answer = bench.one(broken, DATA, peer=b"stranger")
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("message: ")
    assert bench.ledger.run(start.run)["received"] == 0
    assert bench.ledger.total()["malformed"] == 1


def test_a_number_that_no_end_could_count_is_no_frame(bench: Bench, make_start: StartMaker) -> None:
    start = make_start()
    bench.begin(start)
    raw = frame(start, 0).model_dump() | {"frame_seq": 2**64 - 1}
    answer = bench.one(msgpack.packb(raw), DATA)
    assert isinstance(answer, Refused)
    assert bench.ledger.run(start.run)["received"] == 0
    assert bench.say(frame(start, 2**64 - 2), DATA) == []
    bench.commit()
    assert bench.say(End(run=start.run, n_frames=2**64 - 1)) == []
    assert isinstance(bench.commit()[-1].message, Report)


def test_a_connection_that_was_forgotten_with_bytes_outstanding_gains_no_credit() -> None:
    peers = Peers(credit_bytes=100)
    peers.greet(b"p", "scope")
    peers.charge(b"p", 100)
    for number in range(1024):
        peers.greet(str(number).encode(), "other")
    assert peers.instrument(b"p") is None
    peers.greet(b"p", "scope")
    peers.refund(b"p", 100)
    peers.charge(b"p", 100)
    assert peers.overdrawn(b"p", 1) is not None


def test_what_all_connections_have_outstanding_is_told_also_when_one_is_forgotten() -> None:
    peers = Peers(credit_bytes=100)
    for peer in (b"p", b"q"):
        peers.greet(peer, "scope")
        peers.charge(peer, 60)
    peers.refund(b"p", 20)
    assert peers.told() == {"connections": 2, "bytes_each": 100, "outstanding_bytes": 100}
    peers.refund(b"q", 1000)
    assert peers.told()["outstanding_bytes"] == 40
    for number in range(1024):
        peers.greet(str(number).encode(), "other")
    peers.refund(b"p", 40)
    assert peers.told() == {"connections": 1024, "bytes_each": 100, "outstanding_bytes": 0}


def test_too_many_open_runs_are_refused_until_one_ends_or_falls_silent(
    bench: Bench, make_start: StartMaker
) -> None:
    starts = [make_start() for _ in range(4)]
    for start in starts[:2]:
        assert isinstance(bench.begin(start), Started)
    busy = bench.begin(starts[2])
    assert isinstance(busy, Refused)
    assert busy.reason.startswith("busy: 2 runs")
    bench.say(End(run=starts[0].run, n_frames=0))
    bench.commit()
    assert isinstance(bench.begin(starts[2]), Started)
    bench.now_s = PARK_AFTER_S + 1
    assert isinstance(bench.begin(starts[3]), Started)
    parked = bench.one(frame(starts[1], 0), DATA)
    assert isinstance(parked, Refused)
    assert parked.reason.startswith("hello first: ")


def test_a_run_with_frames_in_flight_is_never_parked(bench: Bench, make_start: StartMaker) -> None:
    starts = [make_start() for _ in range(3)]
    for start in starts[:2]:
        bench.begin(start)
        bench.say(frame(start, 0), DATA)
    bench.now_s = 1000.0
    assert isinstance(bench.begin(starts[2]), Refused)


def test_a_full_commit_queue_is_waited_for_with_signs_of_life(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start)
    bench.say(frame(start, 0), DATA)
    (received,) = bench.frames.take_all()
    bench.say(End(run=start.run, n_frames=2))
    beats: list[int] = []

    def beat() -> None:
        beats.append(len(bench.entries.take_all()))

    bench.beat = beat
    while not bench.entries.full:
        bench.entries.put(RunEnded(start))
    bench.settle(received.arrival)
    assert beats == [100]
    assert bench.entries.take_all() == [RunEnded(start)]


def test_a_drain_takes_nothing_new_and_settles_what_it_has(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.begin(start)
    bench.say(frame(start, 0), DATA)
    bench.say(End(run=start.run, n_frames=1))
    bench.desk.drain()
    assert not bench.desk.idle
    assert bench.say(frame(start, 1), DATA) == []
    for message in (Hello(instrument="scope"), start, End(run=start.run, n_frames=1)):
        answer = bench.one(message)
        assert isinstance(answer, Refused)
        assert answer.reason.startswith("draining: ")
    assert [letter.message.type for letter in bench.commit()] == ["ack", "report"]
    assert bench.desk.idle
    assert bench.ledger.run(start.run)["received"] == 1


def test_a_run_from_the_journal_goes_on_where_its_fates_end(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.runs.restore(start, first_offset=17)
    bench.ledger.open(start.run, None)
    for seq in (0, 1, 3):
        bench.ledger.settle(start.run, seq, "published")
    welcome = bench.one(Hello(instrument="scope", run=start.run))
    assert isinstance(welcome, Welcome)
    assert welcome.last_acked == 1
    assert bench.one(start) == Started(run=start.run, last_acked=1)
    assert bench.entries.take_all() == [RunStarted(start, 17)]
    assert bench.say(frame(start, 2), DATA) == []
    assert isinstance(bench.one(frame(start, 3), DATA), Ack)


def test_a_run_that_ended_before_a_restart_is_reported_again(
    bench: Bench, make_start: StartMaker
) -> None:
    start = make_start()
    bench.runs.restore(start, first_offset=0)
    bench.ledger.open(start.run, None)
    bench.ledger.settle(start.run, 0, "published")
    bench.ledger.restore_end(start.run, {"announced": 1})
    report = Report(run=start.run, ledger={"received": 1})
    bench.runs.reported(report)
    assert bench.begin(start) == Started(run=start.run, last_acked=0)
    assert bench.entries.take_all() == []
    assert bench.one(End(run=start.run, n_frames=1)) == report


def test_a_parked_run_opens_again_without_a_second_record(
    bench: Bench, make_start: StartMaker
) -> None:
    starts = [make_start() for _ in range(3)]
    for start in starts:
        bench.begin(start)
        bench.now_s += PARK_AFTER_S + 1
    assert isinstance(bench.begin(starts[0]), Started)
    opened = [
        entry.start.run for entry in bench.entries.take_all() if isinstance(entry, RunStarted)
    ]
    assert opened == [start.run for start in starts]


DATA_PARTS: list[tuple[bytes, ...]] = [(), (DATA,), (DATA[: 128**2],), (DATA, b"")]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_bytes_break_the_desk_or_its_account(
    tmp_path_factory: pytest.TempPathFactory, make_start: StartMaker, data: st.DataObject
) -> None:
    """Mutated messages of every kind, on a connection that is greeted and has a run open."""
    bench = Bench(tmp_path_factory.mktemp("q"))
    start = make_start()
    bench.begin(start)
    honest = [
        encode(Hello(instrument="scope")),
        encode(start),
        encode(frame(start, data.draw(st.integers(0, 3)))),
        encode(
            ShotHeader(
                run=start.run,
                frame_seq=data.draw(st.integers(0, 3)),
                illumination=data.draw(st.sampled_from(start.shots)),
                shape=(128, 128),
                dtype="u8",
                source_utc_ns=1,
            )
        ),
        encode(End(run=start.run, n_frames=9)),
    ]
    for _ in range(data.draw(st.integers(1, 8))):
        header = bytearray(honest[data.draw(st.integers(0, 4))])
        for _ in range(data.draw(st.integers(0, 3))):
            header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
        for answer in bench.say(header, *DATA_PARTS[data.draw(st.integers(0, 3))]):
            assert "\n" not in str(getattr(answer, "reason", ""))
    bench.desk.expire(Clock(time.time_ns(), bench.now_s + 60.0))
    bench.commit()
    account = bench.ledger.run(start.run)
    assert account["in_flight"] == 0
    assert account["received"] == account["published"] + account["quarantined"]
    codes = {key.partition(".")[2] for key in account if "." in key}
    assert codes <= {
        "header",
        "shape",
        "dtype",
        "length",
        "location",
        "crc32",
        "illumination",
        "incomplete",
    }
