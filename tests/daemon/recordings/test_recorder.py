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
    Start,
    Started,
    Welcome,
    decode_from_daemon,
    encode,
)
from phenostream.engine.errors import BadConfig

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
