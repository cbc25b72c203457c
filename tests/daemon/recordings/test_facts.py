import json
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.daemon.recordings.facts import facts
from phenostream.engine.errors import BadRecording

RecordingMaker = Callable[..., Path]


def test_facts_tell_runs_frames_camera_and_time(make_recording: RecordingMaker) -> None:
    path = make_recording(count=5, pixel_size_um=0.25, instrument="scope-1", synthetic=False)
    found = facts(path)
    assert (found.complete, found.problems, found.frames, found.messages) == (True, (), 5, 7)
    assert found.bytes == path.stat().st_size
    assert not found.synthetic
    run = found.runs[0]
    assert (run.frames, run.announced, run.missing) == (5, 5, 0)
    assert run.duration_s == pytest.approx(0.4)
    assert run.data_bytes == 5 * 4 * 128 * 128


def test_facts_are_plain_json_and_lines_for_people(make_recording: RecordingMaker) -> None:
    found = facts(make_recording(count=2, instrument="scope-1"))
    value = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert value["runs"][0]["instrument"] == "scope-1"
    text = "\n".join(found.lines())
    assert "complete" in text
    assert "2 of 2 frames, 4 x 128 x 128 u8" in text
    assert "synthetic" in text
    assert "INCOMPLETE" not in text


def test_damage_is_incomplete_when_tolerant_and_raises_when_not(
    make_recording: RecordingMaker,
) -> None:
    path = make_recording(count=3)
    path.write_bytes(path.read_bytes()[:-10])
    found = facts(path)
    assert not found.complete
    assert any(line.startswith("INCOMPLETE: byte ") for line in found.lines())
    with pytest.raises(BadRecording, match="cut short inside an entry"):
        facts(path, tolerant=False)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="nowhere: no such file"):
        facts(tmp_path / "nowhere")
