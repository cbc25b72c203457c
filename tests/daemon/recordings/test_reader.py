import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phenostream.daemon.recordings.facts import facts
from phenostream.daemon.recordings.reader import Recorded, RecordingReader
from phenostream.daemon.recordings.writer import RecordingWriter
from phenostream.daemon.wire.ingest import End, FrameHeader, Start, encode
from phenostream.engine.errors import BadRecording

RecordingMaker = Callable[..., Path]


def everything(path: Path, *, tolerant: bool = False) -> list[Recorded]:
    with RecordingReader(path, tolerant=tolerant) as reader:
        return list(reader)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from((0, 1)), st.binary(max_size=3000), st.integers(0, 2**63)),
        max_size=12,
    ),
    st.sampled_from((0, 1, 9)),
)
def test_every_part_comes_back_as_it_was_received(
    tmp_path: Path,
    make_start: Callable[..., Start],
    frames: list[tuple[int, bytes, int]],
    level: int,
) -> None:
    path = tmp_path / "r.phenorec"
    path.unlink(missing_ok=True)
    starts = [make_start(), make_start(instrument="other")]
    sent: list[tuple[bytes, bytes | None, int, int]] = [(encode(s), None, 0, 7) for s in starts]
    for seq, (which, data, time_ns) in enumerate(frames):
        header = FrameHeader(
            run=starts[which].run, frame_seq=seq, shape=(1, 2, 3), dtype="u8", source_utc_ns=seq
        )
        sent.append((encode(header), data, time_ns, time_ns + 1))
    sent += [(encode(End(run=s.run, n_frames=0)), None, 2**63, 9) for s in starts]
    with RecordingWriter(path, level=level) as writer:
        for header_bytes, part, since_ns, utc_ns in sent:
            writer.write(header_bytes, part, since_ns, utc_ns)
    got = [(r.header, r.data, r.since_start_ns, r.utc_ns) for r in everything(path)]
    assert got == sent


def test_any_flipped_byte_is_one_line_with_file_and_position(
    make_recording: RecordingMaker,
) -> None:
    path = make_recording(count=2)
    whole = path.read_bytes()
    for position in range(len(whole)):
        with path.open("r+b") as file:  # in place: rewriting the whole file would wait for the disk
            file.seek(position)
            file.write(bytes([whole[position] ^ 0x40]))
            if position:
                file.seek(position - 1)
                file.write(whole[position - 1 : position])
        with pytest.raises(BadRecording) as caught:
            everything(path)
        line = str(caught.value)
        assert line.startswith(f"{path}: byte ")
        assert "\n" not in line
        assert int(line.split("byte ")[1].split(":")[0]) <= position


def test_any_cut_is_one_line_and_what_is_whole_before_it_is_given(
    make_recording: RecordingMaker,
) -> None:
    path = make_recording(count=2)
    whole, entries = path.read_bytes(), everything(path)
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        with pytest.raises(BadRecording, match=f"^{path}: byte [0-9]+: cut short"):
            everything(path)
        if length >= 12:
            before = [r for r in entries if r.position < length][:-1]
            found = everything(path, tolerant=True)
            assert [r.position for r in found][: len(before)] == [r.position for r in before]
            assert not facts(path).complete


def test_bytes_after_the_end_are_refused(make_recording: RecordingMaker) -> None:
    path = make_recording()
    path.write_bytes(path.read_bytes() + b"\0\0")
    with pytest.raises(BadRecording, match="2 bytes after the closing entry"):
        everything(path)


def test_entries_taken_out_whole_are_noticed_by_the_sum(make_recording: RecordingMaker) -> None:
    path = make_recording()
    whole, entries = path.read_bytes(), everything(path)
    without = whole[: entries[2].position] + whole[entries[3].position :]
    path.write_bytes(without)
    with pytest.raises(BadRecording, match="SHA-256 of the file does not agree"):
        everything(path)


def test_tolerant_reading_steps_over_damage_and_says_what_is_lost(
    make_recording: RecordingMaker,
) -> None:
    path = make_recording(count=4)
    entries, broken = everything(path), bytearray(path.read_bytes())
    broken[entries[2].position + 30] ^= 1
    path.write_bytes(broken)
    found = everything(path, tolerant=True)
    assert [r.message for r in found] == [r.message for r in entries if r.number != 2]
    size = entries[3].position - entries[2].position
    problems = facts(path).problems
    assert problems[0] == (
        f"byte {entries[2].position}: damaged, no entry begins here; {size} bytes are left out"
    )


def test_frames_whose_start_is_lost_are_left_out(make_recording: RecordingMaker) -> None:
    path = make_recording(count=2)
    first, broken = everything(path)[0], bytearray(path.read_bytes())
    broken[first.position] ^= 1
    path.write_bytes(broken)
    found = facts(path)
    assert (found.frames, found.complete) == (0, False)
    assert any("which was not started" in line for line in found.problems)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "byte 0: cut short in its first 12 bytes"),
        (b"PHENO", "byte 5: cut short in its first 12 bytes"),
        (b"PHENOREC\0\0\0\2rest", "byte 8: recording of format version 2, this program reads 1"),
        (b"\x89HDF\r\n\x1a\n....", "byte 0: not a phenostream recording"),
    ],
)
def test_other_files_are_told_apart_also_when_tolerant(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(BadRecording, match=why):
        RecordingReader(path, tolerant=True)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=400), st.integers(0, 400))
def test_garbage_never_raises_anything_but_a_bad_recording(
    make_recording: RecordingMaker, tmp_path: Path, garbage: bytes, at: int
) -> None:
    path = tmp_path / "r.phenorec"
    path.unlink(missing_ok=True)
    whole = make_recording("r.phenorec", count=1).read_bytes()
    path.write_bytes(whole[:at] + garbage + whole[at + len(garbage) :])
    for tolerant in (True, False):
        with contextlib.suppress(BadRecording):
            everything(path, tolerant=tolerant)


def test_frames_of_a_recording_are_its_counts(make_recording: RecordingMaker) -> None:
    frames = [r for r in everything(make_recording(count=3)) if r.data is not None]
    for seq, frame in enumerate(frames):
        stripes = (np.arange(128) * (seq + 1) // 8).astype(np.uint8)
        counts = np.frombuffer(frame.data or b"", np.uint8).reshape(4, 128, 128)
        assert np.array_equal(counts, np.broadcast_to(stripes, (4, 128, 128)))
