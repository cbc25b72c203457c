"""The recorder over ipc, with the real sender in another thread."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.stream import SourceFrame, stream
from phenostream.daemon.ledger import FATES
from phenostream.daemon.recordings.facts import RecordingFacts, facts
from phenostream.daemon.recordings.reader import Recorded, RecordingReader
from phenostream.daemon.recordings.recorder import RecorderOptions, record
from phenostream.daemon.recordings.recording_desk import RECORDED
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    FrameHeader,
    FromDaemon,
    Hello,
    Refused,
    Report,
    ShotHeader,
    Start,
    Started,
    Welcome,
    decode_from_daemon,
    encode,
)
from phenostream.engine.errors import BadConfig
from phenostream.engine.types import SHOTS

StartMaker = Callable[..., Start]
SIZE = 4 * 128 * 128


def everything(path: Path) -> list[Recorded]:
    with RecordingReader(path) as reader:
        return list(reader)


@contextmanager
def recording(
    folder: Path, options: RecorderOptions | None = None, **hooks: Any
) -> Iterator[tuple[str, Event, "Future[RecordingFacts]"]]:
    """A recorder in a thread: endpoint, stop, and what it returns."""
    bound: Future[str] = Future()
    stop, url = Event(), f"ipc://{folder}/ingest"
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(
            record,
            url,
            folder / "r.phenorec",
            options,
            stop=stop,
            on_bound=bound.set_result,
            **hooks,
        )
        try:
            yield bound.result(10), stop, done
        finally:
            stop.set()


class Source:
    """A bare DEALER that may say anything."""

    def __init__(self, url: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(url)

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close(0)
        self._context.term()

    def say(self, *parts: bytes) -> None:
        self._socket.send_multipart(parts)

    def hear(self) -> FromDaemon:
        assert self._socket.poll(5000)
        return decode_from_daemon(self._socket.recv())

    def begin(self, start: Start) -> None:
        self.say(encode(Hello(instrument=start.instrument)))
        assert isinstance(self.hear(), Welcome)
        self.say(encode(start))
        assert isinstance(self.hear(), Started)


def a_frame(start: Start, seq: int, **changes: Any) -> bytes:
    facts: dict[str, Any] = {
        "run": start.run,
        "frame_seq": seq,
        "shape": (4, 128, 128),
        "dtype": "u8",
        "source_utc_ns": seq,
    }
    return encode(FrameHeader.model_validate(facts | changes))


def a_shot(start: Start, seq: int, which: str, **changes: Any) -> bytes:
    facts: dict[str, Any] = {
        "run": start.run,
        "frame_seq": seq,
        "illumination": which,
        "shape": (128, 128),
        "dtype": "u8",
        "source_utc_ns": seq,
    }
    return encode(ShotHeader.model_validate(facts | changes))


def test_shots_are_recorded_as_they_came_frame_by_frame(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start, data = make_start(), {which: bytes([n]) * 128**2 for n, which in enumerate(SHOTS)}
    order = [(0, "top"), (1, "left"), (0, "left"), (1, "left"), (1, "bottom"), (0, "right")]
    order += [(0, "bottom"), (0, "bottom"), (1, "top"), (1, "right")]
    with recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done), Source(url) as one:
        one.begin(start)
        for seq, which in order:
            one.say(a_shot(start, seq, which), data[which])
        answers = [one.hear()]
        while answers[-1] != Ack(run=start.run, frame_seq=1, fate="dropped", reason=RECORDED):
            answers.append(one.hear())  # the first again, if the late shot came after its fate
        one.say(encode(End(run=start.run, n_frames=2)))
        report = one.hear()
        found = done.result(10)
    assert {(a.frame_seq, a.reason) for a in answers if isinstance(a, Ack)} == {
        (0, RECORDED),
        (1, RECORDED),
    }
    assert isinstance(report, Report)
    assert (report.ledger["shots_repeated"], report.ledger["shots_late"]) == (1, 1)
    assert (found.complete, found.frames, found.messages) == (True, 2, 10)
    shots = [one.message for one in everything(found.path)[1:-1]]
    assert [(m.frame_seq, m.illumination) for m in shots if isinstance(m, ShotHeader)] == [
        (0, "top"), (0, "left"), (0, "right"), (0, "bottom"),
        (1, "left"), (1, "bottom"), (1, "top"), (1, "right"),
    ]  # fmt: skip
    assert [one.data for one in everything(found.path)[1:3]] == [data["top"], data["left"]]


def test_a_frame_that_lacks_shots_is_recorded_as_far_as_it_came_and_called_incomplete(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start()
    options = RecorderOptions(until_end=True, shot_timeout_s=0.5)
    with recording(tmp_path, options) as (url, _, done), Source(url) as one:
        one.begin(start)
        one.say(a_shot(start, 0, "left"), bytes(128**2))
        ack = one.hear()
        one.say(a_shot(start, 1, "left"), bytes(128**2))
        one.say(a_shot(start, 1, "top", shape=(128, 64)), bytes(128 * 64))
        broken = one.hear()
        one.say(encode(End(run=start.run, n_frames=2)))
        assert isinstance(one.hear(), Report)
        found = done.result(10)
    assert isinstance(ack, Ack)
    assert ack.reason == "incomplete: 1 of 4 shots, right, top, bottom missing after 0.5 s"
    assert isinstance(broken, Ack)
    assert broken.reason == "shape: top: (128, 64), announced (128, 128)"
    assert found.problems == (f"run {start.run}: 2 of 2 frames lack shots",)
    assert (found.frames, found.messages) == (2, 5)


def test_a_source_that_restarts_in_the_middle_of_a_frame_is_recorded_once(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start(shots=("left", "right"))
    with recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done):
        with Source(url) as old:
            old.begin(start)
            old.say(a_shot(start, 0, "right"), bytes(128**2))
            old.say(encode(Hello(instrument=start.instrument)))
            assert isinstance(old.hear(), Welcome)
        with Source(url) as new:
            new.begin(start)
            for which in start.shots:
                new.say(a_shot(start, 0, which), b"\7" * 128**2)
            assert isinstance(new.hear(), Ack)
            new.say(encode(End(run=start.run, n_frames=1)))
            assert isinstance(new.hear(), Report)
            found = done.result(10)
    assert (found.complete, found.messages) == (True, 4)
    assert {one.data for one in everything(found.path)[1:3]} == {b"\7" * 128**2}


def test_what_an_old_connection_left_is_not_recorded_in_a_frame_that_another_sends(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start(shots=("left", "right"))
    hello = encode(Hello(instrument=start.instrument))
    with (
        recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done),
        Source(url) as old,
        Source(url) as new,
    ):
        old.begin(start)
        new.begin(start)
        for source, which in ((old, "right"), (new, "left"), (old, "right")):
            source.say(a_shot(start, 0, which), bytes([7 * (source is new)]) * 128**2)
            source.say(hello)
            assert isinstance(source.hear(), Welcome)
        new.say(a_shot(start, 0, "right"), b"\7" * 128**2)
        assert isinstance(new.hear(), Ack)
        new.say(encode(End(run=start.run, n_frames=1)))
        assert isinstance(new.hear(), Report)
        found = done.result(10)
    assert (found.complete, found.messages) == (True, 4)
    assert {one.data for one in everything(found.path)[1:3]} == {b"\7" * 128**2}


def test_what_a_sender_sends_is_recorded_and_accounted_for(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start, acks = make_start(), list[Ack]()
    frames = [SourceFrame(n, np.full((4, 128, 128), n, np.uint8)) for n in range(20)]
    # credit for two frames: the sender must wait for acknowledgements to go on
    options = RecorderOptions(until_end=True, credit_bytes=2 * SIZE)
    with (
        recording(tmp_path, options, on_frame=acks.append) as (url, _, done),
        Sender(url, start.instrument) as sender,
    ):
        report = stream(sender, start, frames)
        found = done.result(10)
    assert {key: report.ledger[key] for key in ("received", "missing", *FATES)} == {
        "received": 20,
        "missing": 0,
        "published": 0,
        "dropped": 20,
        "quarantined": 0,
        "failed": 0,
    }
    assert {(ack.fate, ack.reason) for ack in acks} == {("dropped", RECORDED)}
    assert (found.complete, found.frames) == (True, 20)
    entries = everything(found.path)
    assert entries[0].message == start
    assert entries[-1].message == End(run=start.run, n_frames=20)
    assert [r.data for r in entries[1:-1]] == [bytes([n]) * SIZE for n in range(20)]
    times = [r.since_start_ns for r in entries[:-1]]
    assert times == sorted(times)


def test_an_acknowledged_frame_is_on_disk_before_its_acknowledgement(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start()
    with recording(tmp_path) as (url, _, _done), Source(url) as source:
        source.begin(start)
        for seq in range(5):
            source.say(a_frame(start, seq), bytes(SIZE))
            assert isinstance(source.hear(), Ack)
            assert facts(tmp_path / "r.phenorec").frames == seq + 1


def test_the_exact_parts_are_kept_also_in_another_encoding(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start()
    model = FrameHeader(
        run=start.run, frame_seq=0, shape=(4, 128, 128), dtype="u8", source_utc_ns=3
    )
    header = pack(dict(reversed(model.model_dump(exclude_none=True).items())))
    assert header != encode(model)
    with (
        recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done),
        Source(url) as source,
    ):
        source.begin(start)
        source.say(header, bytes(SIZE))
        source.say(encode(End(run=start.run, n_frames=1)))
        found = done.result(10)
    assert everything(found.path)[1].header == header


def test_a_frame_that_breaks_its_start_is_kept_and_called_quarantined(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start()
    with (
        recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done),
        Source(url) as source,
    ):
        source.begin(start)
        source.say(a_frame(start, 0), b"short")
        ack = source.hear()
        source.say(encode(End(run=start.run, n_frames=1)))
        report = source.hear()
        found = done.result(10)
    assert isinstance(ack, Ack)
    assert (ack.fate, ack.reason) == ("quarantined", f"length: 5 bytes, expected {SIZE}")
    assert isinstance(report, Report)
    assert report.ledger["quarantined"] == 1
    assert found.complete
    assert everything(found.path)[1].data == b"short"


def test_a_frame_outside_the_schema_makes_the_recording_incomplete(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start()
    header = pack({"v": 1, "type": "frame", "run": start.run, "frame_seq": 0, "colour": "blue"})
    with (
        recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done),
        Source(url) as source,
    ):
        source.begin(start)
        source.say(header, bytes(SIZE))
        ack = source.hear()
        source.say(encode(End(run=start.run, n_frames=1)))
        found = done.result(10)
    assert isinstance(ack, Ack)
    assert ack.fate == "quarantined"
    assert not found.complete
    assert found.problems[0].startswith(f"run {start.run} frame 0: ")
    assert "frame.shape: missing" in found.problems[0]


def test_refusals_and_duplicates_leave_no_trace(tmp_path: Path, make_start: StartMaker) -> None:
    start = make_start(n_expected=1)
    with (
        recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done),
        Source(url) as source,
    ):
        source.say(a_frame(start, 0), bytes(SIZE))
        early = source.hear()
        source.begin(start)
        source.begin(start)  # as after a reconnect
        for _ in range(2):
            source.say(a_frame(start, 0), bytes(SIZE))
            assert isinstance(source.hear(), Ack)
        source.say(a_frame(start, 1), bytes(SIZE))
        late = source.hear()
        source.say(encode(End(run=start.run, n_frames=0)))
        wrong_end = source.hear()
        source.say(encode(End(run=start.run, n_frames=1)))
        report = source.hear()
        found = done.result(10)
    refusals = [early, late, wrong_end]
    assert all(isinstance(refusal, Refused) for refusal in refusals)
    assert isinstance(report, Report)
    assert (report.ledger["duplicates"], report.ledger["late"]) == (1, 1)
    assert [r.message.type for r in everything(found.path)] == ["start", "frame", "end"]
    assert found.complete


def test_stopping_before_the_end_says_incomplete(tmp_path: Path, make_start: StartMaker) -> None:
    start = make_start()
    with recording(tmp_path) as (url, stop, done), Source(url) as source:
        source.begin(start)
        source.say(a_frame(start, 0), bytes(SIZE))
        assert isinstance(source.hear(), Ack)
        stop.set()
        found = done.result(10)
    assert found.problems == (f"run {start.run}: not ended, 1 frames",)


def test_missing_frames_say_incomplete(tmp_path: Path, make_start: StartMaker) -> None:
    start = make_start()
    with (
        recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done),
        Source(url) as source,
    ):
        source.begin(start)
        source.say(a_frame(start, 2), bytes(SIZE))
        source.say(encode(End(run=start.run, n_frames=3)))
        found = done.result(10)
    assert found.problems == (f"run {start.run}: 2 of 3 frames missing",)


def test_two_runs_at_once_share_one_recording(tmp_path: Path, make_start: StartMaker) -> None:
    starts = [make_start(), make_start(instrument="other")]
    with (
        recording(tmp_path, RecorderOptions(until_end=True)) as (url, _, done),
        Source(url) as one,
        Source(url) as two,
    ):
        for source, start in zip((one, two), starts, strict=True):
            source.begin(start)
        for source, start in zip((one, two), starts, strict=True):
            source.say(a_frame(start, 0), bytes(SIZE))
            source.say(encode(End(run=start.run, n_frames=1)))
        found = done.result(10)
    assert found.complete
    assert {run.start.run: run.frames for run in found.runs} == {s.run: 1 for s in starts}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("udp://x", "endpoint: 'udp://x': .*allowed ipc://PATH or tcp://"),
        ("ipc://{folder}/file/x", r"(?i)file exists|not a directory"),
    ],
)
def test_an_impossible_endpoint_is_one_line_and_makes_no_file(
    tmp_path: Path, url: str, why: str
) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    with pytest.raises(BadConfig, match=why):
        record(url.format(folder=tmp_path), tmp_path / "r.phenorec")
    assert not (tmp_path / "r.phenorec").exists()


def test_an_endpoint_in_use_is_refused(tmp_path: Path) -> None:
    with recording(tmp_path) as (url, _, _done), pytest.raises(BadConfig, match="in use"):
        record(url, tmp_path / "other.phenorec")


_CHILD = """
import sys
from pathlib import Path
from phenostream.daemon.recordings.recorder import record
record(sys.argv[1], Path(sys.argv[2]), on_bound=lambda endpoint: print(endpoint, flush=True))
"""


@pytest.mark.system
def test_a_killed_recorder_leaves_every_acknowledged_frame(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start, path = make_start(), tmp_path / "r.phenorec"
    command = [sys.executable, "-c", _CHILD, f"ipc://{tmp_path}/ingest", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        with Source(child.stdout.readline().strip()) as source:
            source.begin(start)
            for seq in range(40):
                source.say(a_frame(start, seq), bytes([seq]) * SIZE)
            acked: set[int] = set()
            while len(acked) < 10:
                ack = source.hear()
                assert isinstance(ack, Ack)
                acked.add(ack.frame_seq)
            child.kill()
    with RecordingReader(path, tolerant=True) as reader:
        held = {r.message.frame_seq: r.data for r in reader if isinstance(r.message, FrameHeader)}
    assert acked <= set(held)
    assert all(data == bytes([seq]) * SIZE for seq, data in held.items())
    assert not facts(path).complete
