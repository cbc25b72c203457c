"""Replays into a recorder: what arrives is what was recorded."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from phenostream.daemon.client.errors import Cancelled
from phenostream.daemon.recordings.facts import RecordingFacts, facts
from phenostream.daemon.recordings.frames import RecordedFrames
from phenostream.daemon.recordings.reader import Recorded, RecordingReader
from phenostream.daemon.recordings.recorder import record
from phenostream.daemon.recordings.replay import ReplayOptions, replay
from phenostream.daemon.recordings.writer import RecordingWriter
from phenostream.daemon.wire.ingest import Encoding, End, FrameHeader, ShotHeader, Start, encode
from phenostream.engine.errors import BadConfig, BadRecording

RecordingMaker = Callable[..., Path]
StartMaker = Callable[..., Start]


@contextmanager
def recorder(path: Path) -> Iterator[tuple[str, threading.Event, "Future[RecordingFacts]"]]:
    bound: Future[str] = Future()
    stop, url = threading.Event(), f"ipc://{path}.ipc"
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(record, url, path, None, stop=stop, on_bound=bound.set_result)
        try:
            yield bound.result(10), stop, done
        finally:
            stop.set()


def frames_of(path: Path) -> list[tuple[FrameHeader, bytes | None]]:
    with RecordingReader(path) as reader:
        return [(r.message, r.data) for r in reader if isinstance(r.message, FrameHeader)]


def without_run(path: Path) -> list[tuple[dict[str, object], bytes | None]]:
    return [(header.model_dump(exclude={"run"}), data) for header, data in frames_of(path)]


def test_a_replay_sends_the_recorded_frames_under_a_new_run(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    source, copy = make_recording(count=6), tmp_path / "copy.phenorec"
    with recorder(copy) as (url, stop, done):
        reports = replay(source, url)
        stop.set()
        found = done.result(10)
    assert [report.ledger["received"] for report in reports] == [6]
    assert found.complete
    assert without_run(copy) == without_run(source)
    new, old = (facts_start(path) for path in (copy, source))
    assert new.run == reports[0].run != old.run
    assert new.model_dump(exclude={"run"}) == old.model_dump(exclude={"run"})


@pytest.mark.parametrize("order", ["ordered", "shuffled"])
def test_a_replay_can_send_every_shot_alone(
    make_recording: RecordingMaker, tmp_path: Path, order: Any
) -> None:
    source, copy, again = make_recording(count=3), tmp_path / "copy", tmp_path / "again"
    with recorder(copy) as (url, stop, done):
        replay(source, url, ReplayOptions(single_shots=order))
        stop.set()
        found = done.result(10)
    assert (found.complete, found.frames, found.messages) == (True, 3, 14)
    with RecordingReader(copy) as reader:
        shots = [one for one in reader if isinstance(one.message, ShotHeader)]
    whole = {header.frame_seq: (header, data or b"") for header, data in frames_of(source)}
    for one in shots:
        assert isinstance(one.message, ShotHeader)
        header, data = whole[one.message.frame_seq]
        place = 128**2 * facts_start(source).shots.index(one.message.illumination)
        assert one.data == data[place : place + 128**2]
        kept = {"v", "frame_seq", "dtype", "encoding", "x_um", "y_um", "z_um", "exposure_ms"}
        assert one.message.model_dump(include=kept) == header.model_dump(include=kept)
        assert one.message.source_utc_ns == header.source_utc_ns
    with recorder(again) as (url, stop, done):
        replay(copy, url)
        stop.set()
        assert done.result(10).complete


def test_compressed_frames_are_taken_apart_and_their_shots_packed_otherwise(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    steps = (
        ReplayOptions(encoding="blosc2"),
        ReplayOptions(single_shots="ordered"),
        ReplayOptions(encoding="raw"),
    )
    path = make_recording(count=2)
    with RecordingReader(path) as reader:
        before = [np.stack(one.counts) for one in RecordedFrames(reader)]
    for number, options in enumerate(steps):
        copy = tmp_path / f"{number}.phenorec"
        with recorder(copy) as (url, stop, done):
            replay(path, url, options)
            stop.set()
            found = done.result(10)
        assert found.complete
        assert found.runs[0].encodings == (("blosc2",) if number < 2 else ("raw",))
        path = copy
    assert found.messages == 10
    with RecordingReader(path) as reader:
        after = [np.stack(one.counts) for one in RecordedFrames(reader)]
    assert np.array_equal(before, after)


def test_replaying_twice_gives_the_same_frames_under_two_runs(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    source, copies = make_recording(count=3), [tmp_path / "a.phenorec", tmp_path / "b.phenorec"]
    runs = set()
    for copy in copies:
        with recorder(copy) as (url, stop, done):
            runs.add(replay(source, url)[0].run)
            stop.set()
            done.result(10)
    assert len(runs) == 2
    assert without_run(copies[0]) == without_run(copies[1])


def test_the_recorded_pace_is_kept_and_scaled(
    make_recording: RecordingMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    now = [100.0]

    def wait(_sender: object, seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("phenostream.daemon.client.sender.Sender.wait", wait)
    monkeypatch.setattr("phenostream.daemon.recordings.replay.time", _Clock(lambda: now[0]))
    source = make_recording(count=4)  # one frame every 0.1 s
    with recorder(tmp_path / "copy.phenorec") as (url, _, _done):
        replay(source, url, ReplayOptions(rate=2.0))
    assert waits == pytest.approx([0.0, 0.05, 0.05, 0.05])


class _Clock:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic


def test_a_damaged_recording_is_refused_before_anything_is_sent(
    make_recording: RecordingMaker,
) -> None:
    path = make_recording(count=3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadRecording, match="cut short"):
        replay(path, "ipc:///nobody/listens")


def test_what_is_whole_of_a_damaged_recording_can_be_sent(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    source, copy = make_recording(count=4), tmp_path / "copy.phenorec"
    whole = without_run(source)
    with RecordingReader(source) as reader:
        third = [r for r in reader if isinstance(r.message, FrameHeader)][2]
    broken = bytearray(source.read_bytes())
    broken[third.position + 60] ^= 1
    source.write_bytes(broken)
    with recorder(copy) as (url, stop, done):
        reports = replay(source, url, ReplayOptions(tolerant=True))
        stop.set()
        done.result(10)
    assert without_run(copy) == [whole[0], whole[1], whole[3]]
    assert (reports[0].ledger["received"], reports[0].ledger["missing"]) == (3, 1)


def test_a_recording_that_was_cut_short_is_missing_what_its_start_expected(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    source = make_recording(count=5, n_expected=5)
    with RecordingReader(source) as reader:
        third = [r for r in reader if isinstance(r.message, FrameHeader)][2].position
    source.write_bytes(source.read_bytes()[:third])
    held = facts(source)
    assert "2 of 5 frames" in "\n".join(held.lines())
    with recorder(tmp_path / "copy.phenorec") as (url, stop, done):
        reports = replay(source, url, ReplayOptions(tolerant=True))
        stop.set()
        done.result(10)
    assert (reports[0].ledger["received"], reports[0].ledger["missing"]) == (2, 3)


def test_runs_that_were_mixed_are_replayed_one_after_another(
    tmp_path: Path, make_start: Callable[..., Start]
) -> None:
    source, copy = tmp_path / "two.phenorec", tmp_path / "copy.phenorec"
    starts = [make_start(instrument=name) for name in ("one", "two")]
    with RecordingWriter(source) as writer:
        for start in starts:
            writer.write(encode(start), None, 0, 0)
        for seq in range(3):
            for start in starts:
                header = FrameHeader(
                    run=start.run,
                    frame_seq=seq,
                    shape=(4, 128, 128),
                    dtype="u8",
                    source_utc_ns=seq,
                )
                writer.write(encode(header), bytes([seq]) * 65536, seq, seq)
        for start in starts:
            writer.write(encode(End(run=start.run, n_frames=3)), None, 9, 9)
    with recorder(copy) as (url, stop, done):
        reports = replay(source, url)
        stop.set()
        found = done.result(10)
    assert [report.ledger["received"] for report in reports] == [3, 3]
    assert [run.start.instrument for run in found.runs] == ["one", "two"]


def test_a_loop_goes_on_as_new_runs_until_it_is_cancelled(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    source, cancel, runs = make_recording(count=2), threading.Event(), list[str]()
    with (
        recorder(tmp_path / "copy.phenorec") as (url, _, _done),
        pytest.raises(Cancelled),
    ):
        replay(
            source,
            url,
            ReplayOptions(loop=True),
            on_report=lambda report: _third(report.run, runs, cancel),
            cancel=cancel,
        )
    assert len(set(runs)) == 3


def _third(run: str, runs: list[str], cancel: threading.Event) -> None:
    runs.append(run)
    if len(runs) == 3:
        cancel.set()


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(BadConfig, match="rate: "):
        ReplayOptions(rate=rate)


def facts_start(path: Path) -> Start:
    with RecordingReader(path) as reader:
        first: Recorded = next(iter(reader))
    assert isinstance(first.message, Start)
    return first.message


def test_a_recording_is_replayed_in_another_encoding_and_back(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    source, packed, plain = make_recording(), tmp_path / "packed", tmp_path / "plain"
    for path, before, encoding in ((packed, source, "blosc2"), (plain, packed, "raw")):
        with recorder(path) as (url, stop, done):
            replay(before, url, ReplayOptions(encoding=cast("Encoding", encoding)))
            stop.set()
            found = done.result(10)
        assert found.complete
        assert found.runs[0].encodings == (encoding,)
        assert any("sent as blosc2" in line for line in found.lines()) == (encoding == "blosc2")
    assert without_run(plain) == without_run(source)
    size, whole = (sum(len(d or b"") for _, d in frames_of(p)) for p in (packed, source))
    assert size < whole / 4


def test_a_compressed_recording_is_replayed_as_it_was_sent(
    make_recording: RecordingMaker, tmp_path: Path
) -> None:
    packed, again = tmp_path / "packed", tmp_path / "again"
    for path, before, options in (
        (packed, make_recording(), ReplayOptions(encoding="blosc2")),
        (again, packed, None),
    ):
        with recorder(path) as (url, stop, done):
            replay(before, url, options)
            stop.set()
            done.result(10)
    assert without_run(again) == without_run(packed)


def test_a_frame_that_broke_its_contract_is_replayed_as_it_was_in_any_encoding(
    make_start: StartMaker, tmp_path: Path
) -> None:
    start, path, copy = make_start(), tmp_path / "bad", tmp_path / "copy"
    header = FrameHeader(
        run=start.run, frame_seq=0, shape=(4, 128, 128), dtype="u8", source_utc_ns=1
    )
    with RecordingWriter(path) as writer:
        writer.write(encode(start), None, 0, 0)
        writer.write(encode(header), b"short", 1, 1)
        writer.write(encode(End(run=start.run, n_frames=1)), None, 2, 2)
    with recorder(copy) as (url, stop, done):
        (report,) = replay(path, url, ReplayOptions(encoding="blosc2"))
        stop.set()
        done.result(10)
    assert report.ledger["quarantined.length"] == 1
    assert without_run(copy) == without_run(path)
