"""Shots at the desk, without a socket: when a frame is whole, what ends it before, and what is counted apart."""

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from phenostream.daemon.channel import Channel
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.ledger import FATES, Ledger
from phenostream.daemon.pipeline.entries import Arrival, Entry, Passage, ReceivedFrame, RunEnded
from phenostream.daemon.quarantine import Part
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.reception import Clock, Outlets
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.sources.shot_assembler import SHOT_OVERHEAD_BYTES
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    Fate,
    FrameHeader,
    FromDaemon,
    FromSource,
    Hello,
    Refused,
    Report,
    ShotHeader,
    Start,
    Started,
    encode,
)

StartMaker = Callable[..., Start]
SIDE = 128
MACHINE_MEMORY = 6 * (SIDE**2 + SHOT_OVERHEAD_BYTES)
"""Of the property test: room for six small shots."""
TIMEOUT_S = 5.0


@dataclass
class Kept:
    """A quarantine in memory."""

    frames: dict[tuple[str, int], tuple[str, list[Part]]] = field(default_factory=dict)

    def keep(self, arrival: Arrival, reason: str, parts: Any) -> None:
        self.frames[arrival.start.run, arrival.frame_seq] = (reason, list(parts))


@dataclass
class Door:
    """A desk, the clock, and what came out of it."""

    credit: int = 1 << 20
    memory: int = 1 << 20
    now_s: float = 100.0
    ledger: Ledger = field(default_factory=Ledger)
    quarantine: Kept = field(default_factory=Kept)
    beats: int = 0

    def __post_init__(self) -> None:
        config = IngestConfig(
            endpoint="ipc:///nowhere",
            max_frame_bytes=1 << 20,
            credit_bytes=self.credit,
            shot_timeout_s=TIMEOUT_S,
            shot_memory_bytes=self.memory,
        )
        self.frames: Channel[ReceivedFrame] = Channel(None)
        self.entries: Channel[Entry] = Channel(None)
        outlets = Outlets(self.frames, self.entries, self.quarantine, lambda start: None, self.beat)
        runs = RunBook(8, self.ledger.in_flight)
        self.desk = IngestDesk(config, self.ledger, runs, outlets)

    def beat(self) -> None:
        self.beats += 1

    @property
    def clock(self) -> Clock:
        return Clock(time.time_ns(), self.now_s)

    def say(
        self, message: FromSource | bytes, data: bytes | None = None, peer: bytes = b"p"
    ) -> list[FromDaemon]:
        header = message if isinstance(message, bytes) else encode(message)
        parts = [memoryview(part) for part in (header, data) if part is not None]
        return [letter.message for letter in self.desk.receive(peer, parts, self.clock)]

    def begin(self, start: Start, peer: bytes = b"p") -> None:
        self.say(Hello(instrument=start.instrument), peer=peer)
        assert isinstance(self.say(start, peer=peer)[0], Started)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.desk.expire(self.clock)

    def commit(self) -> list[FromDaemon]:
        """Settle all that was handed on and report the runs that ended."""
        answers: list[FromDaemon] = []
        for frame in self.frames.take_all():
            answers += self._settle(frame.arrival, None)
        while entries := self.entries.take_all():
            for entry in entries:
                if isinstance(entry, Passage):
                    assert entry.failure is not None
                    answers += self._settle(entry.arrival, entry.failure[1])
                elif isinstance(entry, RunEnded):
                    ledger = self.ledger.run(entry.start.run)
                    letters = self.desk.settled(Report(run=entry.start.run, ledger=ledger))
                    answers += [letter.message for letter in letters]
        return answers

    def _settle(self, arrival: Arrival, reason: str | None) -> list[FromDaemon]:
        run, seq = arrival.start.run, arrival.frame_seq
        fate: Fate = "published" if reason is None else "quarantined"
        self.ledger.settle(run, seq, fate, reason)
        ack = Ack(run=run, frame_seq=seq, fate=fate, reason=reason)
        return [letter.message for letter in self.desk.settled(ack)]


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    for run in door.ledger.runs():
        account = door.ledger.run(run)
        settled = sum(account[fate] for fate in FATES)
        assert account["received"] == settled + account["in_flight"]


def counts_of(seq: int, which: str) -> bytes:
    """Counts that tell frame and illumination."""
    return bytes([16 * seq + ("left", "right", "top", "bottom").index(which)]) * SIDE**2


def shot(start: Start, seq: int, which: str, **changes: Any) -> ShotHeader:
    fields: dict[str, Any] = {
        "run": start.run,
        "frame_seq": seq,
        "illumination": which,
        "shape": (start.height, start.width),
        "dtype": start.dtype,
        "source_utc_ns": 1,
    }
    return ShotHeader.model_validate(fields | changes)


def a_start(number: int, shots: tuple[str, ...], dtype: str) -> Start:
    """One of several runs, each of its own instrument."""
    return Start.model_validate(
        {
            "run": f"00000000-0000-7000-8000-{number:012d}",
            "instrument": f"scope-{number}",
            "pixel_size_um": 0.686,
            "dark_level": 0.0,
            "white_level": 255.0,
            "bit_depth": 8,
            "dtype": dtype,
            "height": SIDE,
            "width": SIDE,
            "shots": shots,
            "wavelength_um": 0.53,
            "numerical_aperture": 0.5,
            "synthetic": True,
            "source_utc_ns": 1,
        }
    )


def whole(start: Start, seq: int) -> tuple[FrameHeader, bytes]:
    shape = (len(start.shots), start.height, start.width)
    header = FrameHeader(
        run=start.run, frame_seq=seq, shape=shape, dtype=start.dtype, source_utc_ns=1
    )
    return header, b"".join(counts_of(seq, which) for which in start.shots)


def send(door: Door, start: Start, seq: int, *names: str, peer: bytes = b"p") -> list[FromDaemon]:
    return [
        answer
        for which in names
        for answer in door.say(shot(start, seq, which), counts_of(seq, which), peer=peer)
    ]


def account(door: Door, start: Start, *names: str) -> tuple[int, ...]:
    ledger = door.ledger.run(start.run)
    return tuple(ledger.get(name, 0) for name in names)


def only_ack(answers: list[FromDaemon]) -> Ack:
    (answer,) = answers
    assert isinstance(answer, Ack)
    return answer


@pytest.mark.parametrize(
    ("announced", "sent"),
    [
        (("left", "right", "top", "bottom"), ("bottom", "left", "top", "right")),
        (("top", "left", "bottom", "right"), ("left", "right", "top", "bottom")),
        (("right", "left"), ("left", "right")),
        (("top",), ("top",)),
    ],
)
def test_a_frame_is_whole_with_its_last_shot_whatever_their_order(
    door: Door, make_start: StartMaker, announced: tuple[str, ...], sent: tuple[str, ...]
) -> None:
    start = make_start(shots=announced)
    door.begin(start)
    for number, which in enumerate(sent):
        assert len(door.frames) == 0
        door.now_s += 0.5
        message = shot(start, 0, which, x_um=float(number), source_utc_ns=100 - number)
        assert door.say(message, counts_of(0, which)) == []
        assert account(door, start, "received", "in_flight") == (1, 1)
    (frame,) = door.frames.take_all()
    assert frame.counts is not None
    assert [int(one[0, 0]) for one in frame.counts] == [
        counts_of(0, which)[0] for which in announced
    ]
    place = sent.index(announced[0])
    arrival = frame.arrival
    assert (arrival.stage_um[0], arrival.source_utc_ns) == (float(place), 100 - place)
    assert (arrival.received_s, arrival.shots) == (door.now_s, announced)


def test_no_pixel_is_copied(door: Door, make_start: StartMaker) -> None:
    start = make_start(shots=("left", "right"))
    door.begin(start)
    parts = [bytearray(SIDE**2) for _ in start.shots]
    for which, data in zip(start.shots, parts, strict=True):
        door.desk.receive(
            b"p", [memoryview(encode(shot(start, 0, which))), memoryview(data)], door.clock
        )
    parts[1][5] = 77
    (frame,) = door.frames.take_all()
    assert frame.counts is not None
    assert frame.counts[1][0, 5] == 77


def test_u16_shots_keep_their_byte_order(door: Door, make_start: StartMaker) -> None:
    start = make_start(dtype="u16", bit_depth=12, white_level=4095.0, shots=("top", "bottom"))
    door.begin(start)
    for which, level in (("bottom", 300), ("top", 4000)):
        door.say(shot(start, 0, which), np.full((SIDE, SIDE), level, "<u2").tobytes())
    (frame,) = door.frames.take_all()
    assert frame.counts is not None
    assert [int(one[3, 3]) for one in frame.counts] == [4000, 300]


def test_frames_and_runs_may_be_interleaved(door: Door, make_start: StartMaker) -> None:
    starts = [make_start(instrument=name) for name in ("a", "b")]
    for start in starts:
        door.begin(start, peer=start.instrument.encode())
    for which in ("left", "bottom", "right", "top"):
        for seq in (1, 0):
            for start in starts:
                send(door, start, seq, which, peer=start.instrument.encode())
    whole_ones = door.frames.take_all()
    assert [(f.arrival.start.instrument, f.arrival.frame_seq) for f in whole_ones] == [
        ("a", 1), ("b", 1), ("a", 0), ("b", 0),
    ]  # fmt: skip
    for frame in whole_ones:
        assert frame.counts is not None
        assert [int(one[0, 0]) for one in frame.counts] == [
            counts_of(frame.arrival.frame_seq, which)[0] for which in frame.arrival.start.shots
        ]


def test_a_frame_that_stays_incomplete_is_quarantined_with_what_came(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, "bottom", "left", "right")
    door.wait(TIMEOUT_S - 0.01)
    assert door.commit() == []
    door.wait(0.02)
    ack = only_ack(door.commit())
    reason = "incomplete: 3 of 4 shots, top missing after 5 s"
    assert (ack.fate, ack.reason) == ("quarantined", reason)
    said, parts = door.quarantine.frames[start.run, 0]
    assert said == reason
    assert [part.header["illumination"] for part in parts] == ["bottom", "left", "right"]
    assert [bytes(part.data) for part in parts] == [
        counts_of(0, which) for which in ("bottom", "left", "right")
    ]
    assert account(door, start, "quarantined.incomplete", "in_flight") == (1, 0)
    assert only_ack(send(door, start, 0, "top")) == ack
    assert account(door, start, "shots_late", "duplicates", "received") == (1, 0, 1)


def test_time_in_which_nobody_listened_ends_no_frame(door: Door, make_start: StartMaker) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, "left")
    door.desk.pause(1000.0)
    door.wait(1000.0 + TIMEOUT_S - 0.1)
    assert door.commit() == []
    send(door, start, 0, "right", "top", "bottom")
    assert len(door.frames) == 1


def test_a_jump_of_the_sources_clock_neither_orders_nor_ends_anything(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start)
    for which, utc_ns in zip(start.shots, (2**63, 0, 2**64 - 1, 5), strict=True):
        door.say(shot(start, 0, which, source_utc_ns=utc_ns), counts_of(0, which))
    (frame,) = door.frames.take_all()
    assert frame.arrival.source_utc_ns == 2**63


def test_a_repeated_shot_is_counted_and_the_first_one_stays(
    door: Door, make_start: StartMaker, caplog: pytest.LogCaptureFixture
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, "left", "left", "right")
    assert caplog.text == ""
    door.say(shot(start, 0, "right"), bytes(SIDE**2))
    assert "repeated: right came again with other data, the first stays" in caplog.text
    send(door, start, 0, "top", "bottom")
    assert account(door, start, "shots_repeated", "shots_late") == (2, 0)
    (frame,) = door.frames.take_all()
    assert frame.counts is not None
    assert int(frame.counts[1][0, 0]) == counts_of(0, "right")[0]


def test_shots_after_their_frame_are_late_and_hear_its_fate_once_it_has_one(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, *start.shots)
    assert send(door, start, 0, "left") == []
    ack = only_ack(door.commit())
    assert ack.fate == "published"
    assert send(door, start, 0, "left", "top") == [ack, ack]
    assert account(door, start, "shots_late", "shots_repeated", "received") == (3, 0, 1)


BAD_SHOTS: list[tuple[str, dict[str, Any], bytes]] = [
    ("shape: top: (128, 127), announced (128, 128)", {"shape": (128, 127)}, bytes(128 * 127)),
    ("dtype: top: u16, announced u8", {"dtype": "u16"}, bytes(2 * SIDE**2)),
    ("length: top: 16383 bytes, expected 16384", {}, bytes(SIDE**2 - 1)),
    ("length: top: 0 bytes, expected 16384", {}, b""),
    ("crc32: top: the data do not give 0x00000001", {"crc32": 1}, bytes(SIDE**2)),
    ("location: top: shm, this daemon takes inline", {"location": "shm"}, b""),
]


@pytest.mark.parametrize(("reason", "changes", "data"), BAD_SHOTS)
@pytest.mark.parametrize("before", [0, 2])
def test_a_shot_that_breaks_its_start_ends_its_frame_with_all_its_bytes(
    door: Door,
    make_start: StartMaker,
    reason: str,
    changes: dict[str, Any],
    data: bytes,
    before: int,
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, *start.shots[:before])
    assert door.say(shot(start, 0, "top", **changes), data) == []
    send(door, start, 0, "bottom")
    ack = only_ack(door.commit())
    assert (ack.fate, ack.reason) == ("quarantined", reason)
    kept = door.quarantine.frames[start.run, 0][1]
    assert [part.data.nbytes for part in kept] == [SIDE**2] * before + [len(data)]
    assert account(door, start, "shots_late", "received", "in_flight") == (1, 1, 0)


def test_an_illumination_that_start_did_not_name_ends_its_frame(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start(shots=("left", "right"))
    door.begin(start)
    send(door, start, 0, "left", "top")
    ack = only_ack(door.commit())
    assert ack.reason == "illumination: top, announced left, right"
    assert len(door.quarantine.frames[start.run, 0][1]) == 2


def test_a_fifth_illumination_ends_its_frame_and_is_counted_as_malformed(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, "left")
    header = msgpack.packb(shot(start, 0, "top").model_dump() | {"illumination": "front"})
    assert door.say(header, bytes(SIDE**2)) == []
    ack = only_ack(door.commit())
    assert ack.fate == "quarantined"
    assert (ack.reason or "").startswith("header: shot.illumination: 'front': allowed 'left'")
    assert len(door.quarantine.frames[start.run, 0][1]) == 2
    assert door.say(header, bytes(SIDE**2)) == [ack]
    assert account(door, start, "malformed", "shots_late", "received") == (2, 1, 1)


def test_a_right_crc_passes(door: Door, make_start: StartMaker) -> None:
    start = make_start(shots=("top",))
    door.begin(start)
    data = counts_of(0, "top")
    door.say(shot(start, 0, "top", crc32=zlib.crc32(data)), data)
    assert len(door.frames) == 1


def test_the_oldest_incomplete_frame_gives_way_when_the_memory_is_full(
    make_start: StartMaker,
) -> None:
    door = Door(memory=64 << 10)
    start = make_start()
    door.begin(start)
    for seq in range(3):
        send(door, start, seq, "top")
    assert door.commit() == []
    send(door, start, 0, "left")
    ack = only_ack(door.commit())
    assert ack.frame_seq == 1
    assert ack.reason == (
        "incomplete: 1 of 4 shots, left, right, bottom missing when newer frames needed the memory"
    )
    send(door, start, 0, "right", "bottom")
    assert [a.frame_seq for a in door.commit() if isinstance(a, Ack)] == [0, 2]
    assert account(door, start, "published", "quarantined") == (1, 2)
    assert door.desk.assembling() == {"frames": 0, "bytes": 0}


def test_a_frame_larger_than_the_memory_is_assembled_alone(make_start: StartMaker) -> None:
    door = Door(memory=64 << 10)
    start = make_start(height=256, width=256)
    door.begin(start)
    for which in start.shots:
        door.say(shot(start, 0, which), bytes(256**2))
    assert len(door.frames) == 1


def test_the_first_shot_takes_the_credit_of_its_frame_and_the_others_are_free(
    make_start: StartMaker,
) -> None:
    door = Door(credit=2 * 4 * SIDE**2)
    start = make_start()
    door.begin(start)
    send(door, start, 0, "left")
    send(door, start, 1, "left")
    (refused,) = send(door, start, 2, "left")
    assert isinstance(refused, Refused)
    assert refused.reason == "credit: 131072 bytes unacknowledged, allowed 131072"
    assert send(door, start, 0, "right", "top", "bottom") == []
    door.commit()
    assert send(door, start, 2, "left") == []
    door.wait(TIMEOUT_S)
    assert len(door.commit()) == 2
    for seq in (3, 4):
        assert send(door, start, seq, *start.shots) == []
    assert account(door, start, "refused") == (1,)


def test_one_frame_is_allowed_whatever_the_credit(make_start: StartMaker) -> None:
    door = Door(credit=64 << 10)
    start = make_start(height=256, width=256)
    door.begin(start)
    for which in start.shots:
        assert door.say(shot(start, 0, which), bytes(256**2)) == []
    assert len(door.frames) == 1
    assert isinstance(door.say(shot(start, 1, "left"), bytes(256**2))[0], Refused)


def test_shots_of_two_connections_are_never_mixed(door: Door, make_start: StartMaker) -> None:
    start = make_start()
    door.begin(start, peer=b"old")
    for which in ("left", "right"):
        door.say(shot(start, 0, which), bytes(SIDE**2), peer=b"old")
    door.begin(start, peer=b"new")
    send(door, start, 0, "top", "bottom", peer=b"new")
    assert len(door.frames) == 0
    send(door, start, 0, "left", "right", peer=b"new")
    (frame,) = door.frames.take_all()
    assert frame.counts is not None
    assert [int(one[0, 0]) for one in frame.counts] == [0, 1, 2, 3]
    assert account(door, start, "shots_repeated", "received") == (2, 1)


def test_what_an_old_connection_left_does_not_take_a_frame_back(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start, peer=b"old")
    send(door, start, 0, "left", "right", peer=b"old")
    door.begin(start, peer=b"new")
    for which, peer in (
        ("left", b"new"),
        ("top", b"old"),
        ("right", b"new"),
        ("bottom", b"old"),
        ("top", b"new"),
        ("bottom", b"new"),
    ):
        send(door, start, 0, which, peer=peer)
    assert len(door.frames) == 1
    assert account(door, start, "received", "in_flight", "shots_repeated") == (1, 1, 4)


def test_the_rest_of_a_broken_frame_is_no_restart(door: Door, make_start: StartMaker) -> None:
    start = make_start()
    door.begin(start)
    for seq, crc32 in ((0, None), (1, 1)):
        for number, which in enumerate(start.shots):
            taken = shot(start, seq, which, source_utc_ns=10 * seq + number, crc32=crc32)
            door.say(taken, counts_of(seq, which))
    assert account(door, start, "shots_late", "restarts") == (3, 0)
    door.say(shot(start, 2, "left", source_utc_ns=20), counts_of(2, "left"))
    door.say(shot(start, 0, "right", source_utc_ns=99), counts_of(0, "right"))
    assert account(door, start, "shots_late", "restarts") == (4, 1)


def test_the_last_shot_of_an_overdue_frame_is_no_restart(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start(shots=("left", "right"))
    door.begin(start)
    door.say(shot(start, 0, "left", source_utc_ns=1), counts_of(0, "left"))
    door.wait(TIMEOUT_S)
    door.say(shot(start, 0, "right", source_utc_ns=2), counts_of(0, "right"))
    assert account(door, start, "shots_late", "restarts") == (1, 0)


def test_the_thread_shows_a_sign_of_life_for_every_frame_that_it_ends(
    make_start: StartMaker,
) -> None:
    door, start = Door(), make_start()
    door.begin(start)
    for seq in range(3):
        send(door, start, seq, "left")
    before = door.beats
    door.wait(TIMEOUT_S)
    assert door.beats - before >= 3


def test_a_whole_frame_takes_the_place_of_the_shots_of_its_number(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, "left", "right")
    assert door.say(*whole(start, 0)) == []
    (frame,) = door.frames.take_all()
    assert frame.arrival.shots is None
    assert send(door, start, 0, "top") == []
    assert door.say(*whole(start, 0)) == []
    names = ("received", "in_flight", "shots_repeated", "shots_late", "duplicates")
    assert account(door, start, *names) == (1, 1, 2, 1, 1)


def test_shots_of_a_frame_that_came_whole_are_late(door: Door, make_start: StartMaker) -> None:
    start = make_start()
    door.begin(start)
    door.say(*whole(start, 0))
    assert send(door, start, 0, *start.shots) == []
    assert account(door, start, "received", "shots_late") == (1, 4)
    assert len(door.frames) == 1


@pytest.mark.parametrize("ended", [False, True])
def test_shots_beyond_the_announced_count_or_of_new_frames_after_end_are_refused(
    door: Door, make_start: StartMaker, ended: bool
) -> None:
    start = make_start(n_expected=1)
    door.begin(start)
    if ended:
        door.say(End(run=start.run, n_frames=1))
    (answer,) = send(door, start, 1, "left")
    assert isinstance(answer, Refused)
    assert (answer.frame_seq, answer.reason[:6]) == (1, "late: ")
    assert account(door, start, "late", "shots_late", "received") == (1, 0, 0)


def test_a_run_ends_when_its_last_incomplete_frame_has_its_fate(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, "left")
    send(door, start, 1, *start.shots[:3])
    door.say(End(run=start.run, n_frames=3))
    send(door, start, 1, start.shots[3])
    assert [answer.type for answer in door.commit()] == ["ack"]
    door.wait(TIMEOUT_S)
    ack, report = door.commit()
    assert isinstance(report, Report)
    assert (ack.type, report.ledger["missing"], report.ledger["received"]) == ("ack", 1, 2)


def test_a_drain_forgets_incomplete_frames_for_the_next_process_to_receive(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start()
    door.begin(start)
    send(door, start, 0, *start.shots)
    send(door, start, 1, "left", "right")
    door.say(End(run=start.run, n_frames=2))
    door.desk.drain()
    assert send(door, start, 1, "top", "bottom") == []
    assert not door.desk.idle
    assert [answer.type for answer in door.commit()] == ["ack"]
    assert door.desk.idle
    assert account(door, start, "received", "published", "in_flight") == (1, 1, 0)
    assert door.quarantine.frames == {}


def test_only_the_instrument_of_a_run_may_send_its_shots(
    door: Door, make_start: StartMaker
) -> None:
    start = make_start(instrument="a")
    door.begin(start, peer=b"a")
    (early,) = send(door, start, 0, "left", peer=b"b")
    assert isinstance(early, Refused)
    assert early.reason == "hello first: shot before hello"
    door.say(Hello(instrument="b"), peer=b"b")
    (answer,) = send(door, start, 0, "left", peer=b"b")
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("conflict: ")
    assert account(door, start, "received", "refused") == (0, 2)


SETS = (("left", "right", "top", "bottom"), ("top", "left"), ("right",))
SEQS = st.integers(0, 4)
RUN_NUMBERS = st.integers(0, len(SETS) - 1)
PEERS = st.sampled_from((b"p", b"q"))


class ShotMachine(RuleBasedStateMachine):
    """Any shots of any runs in any order, with losses, repeats, waits and restarts; the model is a few dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.door = Door(memory=MACHINE_MEMORY, credit=1 << 30)
        self.waiting: dict[tuple[int, int], tuple[bytes, dict[str, int], float]] = {}
        self.in_flight: set[tuple[int, int]] = set()
        self.taken_over: set[tuple[int, int]] = set()
        self.fates: dict[tuple[int, int], str] = {}
        self.incidents: dict[str, int] = dict.fromkeys(("shots_repeated", "shots_late"), 0)
        self.held = 0

    @initialize(make=st.just(None))
    def open_runs(self, make: None) -> None:
        self.starts = [
            a_start(number, shots, "u16" if number == 1 else "u8")
            for number, shots in enumerate(SETS)
        ]
        for start in self.starts:
            for peer in (b"p", b"q"):
                self.door.begin(start, peer=peer + start.instrument.encode())

    @rule(
        number=RUN_NUMBERS,
        seq=SEQS,
        which=st.sampled_from(SETS[0]),
        peer=PEERS,
        broken=st.integers(0, 9),
    )
    def a_shot_comes(self, number: int, seq: int, which: str, peer: bytes, broken: int) -> None:
        start, key = self.starts[number], (number, seq)
        data = bytes(start.shot_bytes - (broken == 0))
        peer += start.instrument.encode()
        answers = self.door.say(shot(start, seq, which), data, peer=peer)
        if key in self.fates or key in self.in_flight:
            self.incidents["shots_late"] += 1
            assert len(answers) == (key in self.fates)
            return
        assert answers == []
        if key in self.waiting and self.waiting[key][0] != peer:
            if key in self.taken_over:  # by this one's successor: there are two connections a run
                self.incidents["shots_repeated"] += 1
                return
            self.taken_over.add(key)
            self.incidents["shots_repeated"] += len(self.waiting.pop(key)[1])
        if broken == 0 or which not in start.shots:
            self.waiting.pop(key, None)
            self.in_flight.add(key)
            return
        _, shots, _ = self.waiting.setdefault(key, (peer, {}, self.door.now_s + TIMEOUT_S))
        if which in shots:
            self.incidents["shots_repeated"] += 1
            return
        self.gives_way(key, cost := start.shot_bytes + SHOT_OVERHEAD_BYTES)
        shots[which] = cost
        if set(shots) == set(start.shots):
            del self.waiting[key]
            self.in_flight.add(key)

    def gives_way(self, besides: tuple[int, int], cost: int) -> None:
        while self.model_bytes() + cost > MACHINE_MEMORY:
            oldest = next(key for key in self.waiting if key != besides)
            del self.waiting[oldest]
            self.in_flight.add(oldest)

    def model_bytes(self) -> int:
        return sum(sum(shots.values()) for _, shots, _ in self.waiting.values())

    @rule(number=RUN_NUMBERS, seq=SEQS, peer=PEERS)
    def a_whole_frame_comes(self, number: int, seq: int, peer: bytes) -> None:
        start, key = self.starts[number], (number, seq)
        shape = (len(start.shots), start.height, start.width)
        header = FrameHeader(
            run=start.run, frame_seq=seq, shape=shape, dtype=start.dtype, source_utc_ns=1
        )
        self.door.say(header, bytes(start.frame_bytes), peer=peer + start.instrument.encode())
        if key in self.waiting:
            self.incidents["shots_repeated"] += len(self.waiting.pop(key)[1])
        if key not in self.fates:
            self.in_flight.add(key)

    @rule(seconds=st.sampled_from((0.0, 0.5, TIMEOUT_S / 2, TIMEOUT_S)), listening=st.booleans())
    def time_passes(self, seconds: float, listening: bool) -> None:
        if not listening:
            self.door.desk.pause(seconds)
            self.waiting = {k: (p, s, d + seconds) for k, (p, s, d) in self.waiting.items()}
        self.door.wait(seconds)
        for key in [k for k, (_, _, due) in self.waiting.items() if due <= self.door.now_s]:
            del self.waiting[key]
            self.in_flight.add(key)

    @rule()
    def fates_become_durable(self) -> None:
        runs = [start.run for start in self.starts]
        acks = [answer for answer in self.door.commit() if isinstance(answer, Ack)]
        told = [(runs.index(ack.run), ack.frame_seq) for ack in acks]
        assert sorted(told) == sorted(self.in_flight)
        assert not set(told) & set(self.fates)
        self.fates |= {key: ack.fate for key, ack in zip(told, acks, strict=True)}
        self.in_flight.clear()

    @invariant()
    def every_frame_and_shot_is_accounted_for(self) -> None:
        known = {*self.waiting, *self.in_flight, *self.fates}
        for number, start in enumerate(getattr(self, "starts", [])):
            ledger = self.door.ledger.run(start.run)
            mine = [key for key in known if key[0] == number]
            assert ledger["received"] == len(mine)
            assert ledger["in_flight"] == len(mine) - sum(ledger[fate] for fate in FATES)
            assert sum(ledger[fate] for fate in FATES) == sum(k[0] == number for k in self.fates)
        total = self.door.ledger.total()
        assert {name: total[name] for name in self.incidents} == self.incidents

    @invariant()
    def what_waits_is_bounded(self) -> None:
        held = self.door.desk.assembling()
        assert held == {"frames": len(self.waiting), "bytes": self.model_bytes()}
        assert held["bytes"] <= MACHINE_MEMORY

    def teardown(self) -> None:
        forgotten = set(self.waiting)
        self.door.desk.drain()
        self.fates_become_durable()
        assert self.door.desk.idle
        assert not forgotten & set(self.fates)
        assert self.door.ledger.total()["in_flight"] == 0


TestShots = ShotMachine.TestCase
TestShots.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
