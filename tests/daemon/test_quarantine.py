"""Bad frames are kept for a person to look at, within a bound."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.daemon.pipeline.entries import Arrival
from phenostream.daemon.quarantine import Part, Quarantine
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.errors import BadConfig


@pytest.fixture
def arrival(make_start: Callable[..., Start]) -> Callable[[int], Arrival]:
    start = make_start()
    return lambda seq: Arrival(start, seq, 1_000 + seq, 0.0)


def part(data: bytes) -> list[Part]:
    return [Part({}, memoryview(data))]


def test_a_frame_is_kept_with_its_reason(tmp_path: Path, arrival: Callable[[int], Arrival]) -> None:
    quarantine = Quarantine(tmp_path / "q", 10_000)
    quarantine.keep(arrival(3), "shape: (1, 2)", [Part({"shape": (1, 2)}, memoryview(b"pixels"))])
    (note,) = (tmp_path / "q").glob("*.json")
    assert json.loads(note.read_text()) == {
        "run": arrival(3).start.run,
        "frame_seq": 3,
        "reason": "shape: (1, 2)",
        "parts": [{"header": {"shape": [1, 2]}, "bytes": 6}],
    }
    assert note.with_suffix(".frame").read_bytes() == b"pixels"


def test_shots_are_kept_one_behind_the_other(
    tmp_path: Path, arrival: Callable[[int], Arrival]
) -> None:
    quarantine = Quarantine(tmp_path, 10_000)
    tops = Part({"illumination": "top"}, memoryview(b"above"))
    lefts = Part({"illumination": "left"}, memoryview(b"beside"))
    quarantine.keep(arrival(0), "incomplete: 2 of 4 shots", [tops, lefts])
    (note,) = tmp_path.glob("*.json")
    assert json.loads(note.read_text())["parts"] == [
        {"header": {"illumination": "top"}, "bytes": 5},
        {"header": {"illumination": "left"}, "bytes": 6},
    ]
    assert note.with_suffix(".frame").read_bytes() == b"abovebeside"


def test_the_oldest_go_when_the_bound_is_reached(
    tmp_path: Path, arrival: Callable[[int], Arrival]
) -> None:
    quarantine = Quarantine(tmp_path, 4000)
    for seq in range(6):
        quarantine.keep(arrival(seq), "length: x", part(bytes(1000)))
    kept = sorted(json.loads(path.read_text())["frame_seq"] for path in tmp_path.glob("*.json"))
    assert kept == [3, 4, 5]
    assert (len(quarantine), quarantine.removed) == (3, 3)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000


def test_many_small_frames_are_bounded_by_their_number(
    tmp_path: Path, arrival: Callable[[int], Arrival]
) -> None:
    for seq in range(3):
        Quarantine(tmp_path, 1 << 20).keep(arrival(seq), "length: x", part(b""))
    quarantine = Quarantine(tmp_path, 1 << 20, max_files=5)
    quarantine.keep(arrival(3), "length: x", part(b""))
    kept = sorted(json.loads(path.read_text())["frame_seq"] for path in tmp_path.glob("*.json"))
    assert kept == [2, 3]
    assert len(list(tmp_path.iterdir())) == 4
    assert (len(quarantine), quarantine.removed) == (2, 2)


def test_a_restart_counts_what_is_there(tmp_path: Path, arrival: Callable[[int], Arrival]) -> None:
    for seq in range(4):
        Quarantine(tmp_path, 4000).keep(arrival(seq), "length: x", part(bytes(1000)))
    assert len(list(tmp_path.glob("*.frame"))) == 3


def test_what_cannot_be_kept_is_counted(
    tmp_path: Path, arrival: Callable[[int], Arrival], monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = Quarantine(tmp_path, 4000)
    quarantine.keep(arrival(0), "length: x", part(bytes(5000)))

    def refuse(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    quarantine.keep(arrival(1), "length: x", part(bytes(10)))
    assert (len(quarantine), quarantine.not_kept) == (0, 2)


def test_a_full_disk_leaves_no_half_frame_behind(
    tmp_path: Path, arrival: Callable[[int], Arrival], monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = Quarantine(tmp_path, 4000)
    whole = Path.write_bytes

    def refuse(path: Path, data: bytes) -> int:
        whole(path, bytes(data)[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    quarantine.keep(arrival(0), "length: x", part(bytes(1000)))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadConfig, match=r"quarantine\.directory: .*file/q: Not a directory"):
        Quarantine(tmp_path / "file" / "q", 4000)
