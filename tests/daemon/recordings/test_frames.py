"""A recording gives whole frames as arrays, however they came; what is no frame of its START is passed over."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.daemon.recordings.frames import RecordedFrames, WholeFrame
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.recordings.writer import RecordingWriter
from phenostream.daemon.wire.encoding import pack_counts
from phenostream.daemon.wire.ingest import (
    End,
    FrameHeader,
    FromSource,
    ShotHeader,
    Start,
    encode,
)

Message = tuple[FromSource, bytes | None]
U8 = npt.NDArray[np.uint8]
ORDER = ("top", "left", "bottom", "right")


@pytest.fixture
def start(make_start: Callable[..., Start]) -> Start:
    return make_start(shots=ORDER)


@pytest.fixture
def counts() -> U8:
    return np.random.default_rng(0).integers(0, 200, (3, 4, 128, 128), np.uint8)


def _shot(start: Start, seq: int, shot: int, data: bytes, **changes: object) -> Message:
    fields = {
        "run": start.run,
        "frame_seq": seq,
        "illumination": start.shots[shot],
        "shape": (128, 128),
        "dtype": "u8",
        "source_utc_ns": 1,
    }
    return ShotHeader.model_validate(fields | changes), data


def _frame(start: Start, seq: int, data: bytes, **changes: object) -> Message:
    fields = {
        "run": start.run,
        "frame_seq": seq,
        "shape": (4, 128, 128),
        "dtype": "u8",
        "source_utc_ns": 1,
    }
    return FrameHeader.model_validate(fields | changes), data


def _read(path: Path, start: Start, messages: Sequence[Message]) -> tuple[list[WholeFrame], int]:
    end = End(run=start.run, n_frames=4)
    with RecordingWriter(path / "some.phenorec") as writer:
        for message, data in [(start, None), *messages, (end, None)]:
            writer.write(encode(message), data, 0, 0)
    with RecordingReader(path / "some.phenorec", tolerant=True) as reader:
        frames = RecordedFrames(reader)
        return list(frames), frames.broken


def test_whole_frames_keep_the_announced_order(tmp_path: Path, start: Start, counts: U8) -> None:
    sent = [_frame(start, seq, counts[seq].tobytes()) for seq in range(3)]
    frames, broken = _read(tmp_path, start, sent)
    assert ([frame.frame_seq for frame in frames], broken) == ([0, 1, 2], 0)
    assert all(np.array_equal(np.stack(frame.counts), counts[frame.frame_seq]) for frame in frames)


def test_shots_that_come_in_any_order_make_frames(tmp_path: Path, start: Start, counts: U8) -> None:
    order = [(0, 2), (1, 0), (0, 0), (0, 3), (1, 3), (0, 1), (1, 1), (1, 2), (2, 0)]
    sent = [_shot(start, seq, shot, counts[seq, shot].tobytes()) for seq, shot in order]
    frames, broken = _read(tmp_path, start, sent)
    assert ([frame.frame_seq for frame in frames], broken) == ([0, 1], 0)
    assert all(np.array_equal(np.stack(frame.counts), counts[frame.frame_seq]) for frame in frames)


def test_compressed_frames_and_shots_are_decoded(tmp_path: Path, start: Start, counts: U8) -> None:
    packed = [
        _frame(start, 0, pack_counts(counts[0].data, 1), encoding="blosc2"),
        *(
            _shot(start, 1, shot, pack_counts(counts[1, shot].copy().data, 1), encoding="blosc2")
            for shot in range(4)
        ),
    ]
    frames, broken = _read(tmp_path, start, packed)
    assert broken == 0
    assert all(np.array_equal(np.stack(frame.counts), counts[frame.frame_seq]) for frame in frames)
    assert len(frames) == 2


def test_what_start_did_not_announce_is_counted_and_passed_over(
    tmp_path: Path, start: Start, counts: U8
) -> None:
    whole = counts[0].tobytes()
    sent = [
        _frame(start, 0, whole[:-1]),
        _frame(start, 1, whole, crc32=1),
        _shot(start, 2, 0, counts[2, 0].tobytes(), shape=(128, 64)),
        _frame(start, 3, whole),
    ]
    frames, broken = _read(tmp_path, start, sent)
    assert ([frame.frame_seq for frame in frames], broken) == ([3], 3)
