import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.recordings.facts import facts
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.recordings.writer import RecordingFull, RecordingWriter, write_recording
from phenostream.daemon.wire.ingest import End, FrameHeader, Hello, Start, encode
from phenostream.engine.errors import BadConfig, BadMessage

StartMaker = Callable[..., Start]
DATA = bytes(4 * 128 * 128)


def a_frame(start: Start, seq: int) -> bytes:
    return encode(
        FrameHeader(
            run=start.run, frame_seq=seq, shape=(4, 128, 128), dtype="u8", source_utc_ns=seq
        )
    )


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kept.phenorec"
    path.write_bytes(b"precious")
    with pytest.raises(BadConfig, match=r"kept\.phenorec: file exists"):
        RecordingWriter(path)
    assert path.read_bytes() == b"precious"


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, make_start: StartMaker) -> None:
    start, frame = make_start(), SourceFrame(0, np.ones((4, 128, 128), np.uint8))
    for name in ("a", "b"):
        write_recording(tmp_path / name, start, [frame], created_utc_ns=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_was_written_reads_up_to_a_crash_and_says_incomplete(
    tmp_path: Path, make_start: StartMaker
) -> None:
    start = make_start()
    writer = RecordingWriter(tmp_path / "crash")
    writer.write(encode(start), None, 0, 0)
    writer.write(a_frame(start, 0), DATA, 1, 1)
    writer.sync()  # and nothing more: kill -9
    found = facts(tmp_path / "crash")
    writer.close()
    assert (found.frames, found.complete) == (1, False)
    assert "cut short here: no closing entry" in found.problems[0]


def test_an_error_closes_the_file_as_incomplete(tmp_path: Path, make_start: StartMaker) -> None:
    def fail(start: Start) -> None:
        with RecordingWriter(tmp_path / "broken") as writer:
            writer.write(encode(start), None, 0, 0)
            writer.write(encode(End(run=start.run, n_frames=0)), None, 0, 0)
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail(make_start())
    assert facts(tmp_path / "broken").problems == ("the recording was stopped by KeyError",)


def test_anything_dropped_makes_it_incomplete(tmp_path: Path, make_start: StartMaker) -> None:
    start = make_start()
    with RecordingWriter(tmp_path / "r") as writer:
        writer.write(encode(start), None, 0, 0)
        writer.write(encode(End(run=start.run, n_frames=2)), None, 0, 0)
        writer.drop("frame 7: unreadable")
    found = facts(tmp_path / "r", tolerant=False)
    assert not found.complete
    assert found.problems == (
        "frame 7: unreadable",
        f"run {start.run}: 2 of 2 frames missing",
    )


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        (["hello"], "hello: a recording holds"),
        (["frame"], "which was not started"),
        (["start", "start"], "started twice"),
        (["start", "frame", "frame"], "is there twice"),
        (["start", "end", "frame"], "which has ended"),
        (["start", "bare frame"], "data part missing"),
        (["start with data"], "data part unasked"),
        (["nonsense"], "not msgpack"),
    ],
)
def test_messages_no_source_sends_in_that_order_are_refused(
    tmp_path: Path, make_start: StartMaker, messages: list[str], why: str
) -> None:
    start = make_start()
    parts: dict[str, tuple[bytes, bytes | None]] = {
        "hello": (encode(Hello(instrument="scope")), None),
        "start": (encode(start), None),
        "start with data": (encode(start), b"x"),
        "frame": (a_frame(start, 0), DATA),
        "bare frame": (a_frame(start, 0), None),
        "end": (encode(End(run=start.run, n_frames=1)), None),
        "nonsense": (b"\xc1", None),
    }
    with RecordingWriter(tmp_path / "r") as writer:
        for name in messages[:-1]:
            writer.write(*parts[name], 0, 0)
        with pytest.raises(BadMessage, match=why):
            writer.write(*parts[messages[-1]], 0, 0)


def test_a_full_disk_leaves_whole_entries_and_says_how_many(
    tmp_path: Path, make_start: StartMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, real, room = make_start(), os.write, 150_000

    def write(fd: int, data: memoryview) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(fd, data[:room])
        room -= done
        return done

    path = tmp_path / "full"
    monkeypatch.setattr("phenostream.daemon.recordings.writer.os.write", write)
    with pytest.raises(RecordingFull, match=r"no space left.*INCOMPLETE, 2 frames"):
        _fill(path, start)
    with RecordingReader(path, tolerant=True) as reader:
        assert [r.message.type for r in reader] == ["start", "frame", "frame"]
    assert reader.problems[0].startswith(f"byte {path.stat().st_size}: cut short here")


def _fill(path: Path, start: Start) -> None:
    with RecordingWriter(path, level=0) as writer:
        writer.write(encode(start), None, 0, 0)
        for seq in range(9):
            writer.write(a_frame(start, seq), DATA, seq, seq)


def test_an_impossible_level_is_refused_before_a_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="level: 10, allowed 0 to 9"):
        RecordingWriter(tmp_path / "r", level=10)
    assert not (tmp_path / "r").exists()
