"""Bad frames are kept for a person to look at, within a bound."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from phenostream.daemon import quarantine as quarantine_module
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
    start = arrival(3).start
    assert json.loads(note.read_text()) == {
        "run": start.run,
        "frame_seq": 3,
        "reason": "shape: (1, 2)",
        "source": None,
        "source_utc_ns": None,
        "stage_um": [None, None, None],
        "exposure_ms": None,
        "start": start.model_dump(mode="json"),
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
    quarantine = Quarantine(tmp_path, 6400)
    for seq in range(6):
        quarantine.keep(arrival(seq), "length: x", part(bytes(1000)))
    kept = sorted(json.loads(path.read_text())["frame_seq"] for path in tmp_path.glob("*.json"))
    assert kept == [3, 4, 5]
    assert (len(quarantine), quarantine.removed) == (3, 3)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6400


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
        Quarantine(tmp_path, 6400).keep(arrival(seq), "length: x", part(bytes(1000)))
    assert len(list(tmp_path.glob("*.frame"))) == 3


def test_what_cannot_be_kept_is_counted(
    tmp_path: Path, arrival: Callable[[int], Arrival], monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = Quarantine(tmp_path, 4000)
    quarantine.keep(arrival(0), "length: x", part(bytes(5000)))

    def refuse(path: Path, parts: Sequence[memoryview]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quarantine_module, "_write_new", refuse)
    quarantine.keep(arrival(1), "length: x", part(bytes(10)))
    assert (len(quarantine), quarantine.not_kept) == (0, 2)


def test_a_full_disk_leaves_no_half_frame_behind(
    tmp_path: Path, arrival: Callable[[int], Arrival], monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = Quarantine(tmp_path, 4000)
    whole = quarantine_module._write_new

    def refuse(path: Path, parts: Sequence[memoryview]) -> None:
        whole(path, [data[: len(data) // 2] for data in parts])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quarantine_module, "_write_new", refuse)
    quarantine.keep(arrival(0), "length: x", part(bytes(1000)))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadConfig, match=r"quarantine\.directory: .*file/q: Not a directory"):
        Quarantine(tmp_path / "file" / "q", 4000)


@pytest.mark.parametrize("step", range(3))
def test_a_crash_in_the_middle_of_a_write_leaves_nothing_that_is_counted(
    tmp_path: Path,
    arrival: Callable[[int], Arrival],
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    class Killed(BaseException):
        pass

    steps = iter(range(3))

    def dies(what: Callable[..., object]) -> Callable[..., object]:
        def act(*args: object) -> object:
            if next(steps) == step:
                raise Killed
            return what(*args)

        return act

    quarantine = Quarantine(tmp_path, 10_000)
    quarantine.keep(arrival(0), "length: x", part(b"whole"))
    with monkeypatch.context() as patch:
        patch.setattr(quarantine_module, "_write_new", dies(quarantine_module._write_new))
        patch.setattr(Path, "rename", dies(Path.rename))
        with pytest.raises(Killed):
            quarantine.keep(arrival(1), "length: x", part(b"torn"))
    (tmp_path / "notes.txt").write_text("of a person")
    after = Quarantine(tmp_path, 10_000)
    assert len(after) == 1
    kept = {path.name for path in tmp_path.iterdir()} - {"notes.txt"}
    assert len(kept) == 2
    assert all(name.startswith(f"{1000:020d}-") for name in kept)


def test_only_the_owner_may_read_it(tmp_path: Path, arrival: Callable[[int], Arrival]) -> None:
    before = os.umask(0)
    try:
        Quarantine(tmp_path / "q", 10_000).keep(arrival(0), "length: x", part(b"x"))
    finally:
        os.umask(before)
    assert (tmp_path / "q").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "q").iterdir()} == {0o600}
