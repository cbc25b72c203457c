"""Background files: what was written comes back; whatever else lies there is refused in one line."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.backgrounds import (
    BackgroundFacts,
    RecordedBackground,
    read_background,
    read_backgrounds,
    write_background,
)
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.errors import BadInput

StartMaker = Callable[..., Start]
SMALL = (32, 32)


def _facts(start: Start, **changes: Any) -> BackgroundFacts:
    same = ("instrument", "pixel_size_um", "dark_level", "white_level", "dtype", "height", "width")
    values = {key: getattr(start, key) for key in same} | {
        "shots": ("left", "right", "top", "bottom"),
        "kernel": "area",
        "frames": 9,
        "synthetic": True,
    }
    return BackgroundFacts.model_validate(values | changes)


def _made(path: Path, start: Start, *, dark: bool = False, **changes: Any) -> RecordedBackground:
    relative = np.random.default_rng(0).uniform(0.9, 1.1, (4, *SMALL)).astype(np.float32)
    relative += np.arange(4, dtype=np.float32)[:, None, None]
    covered = np.full(SMALL, 0.01, np.float32) if dark else None
    return RecordedBackground(path, _facts(start, **changes), relative, covered)


@pytest.fixture
def start(make_start: StartMaker) -> Start:
    return make_start(pixel_size_um=0.1715)


@pytest.mark.parametrize("dark", [False, True])
def test_what_was_written_comes_back(tmp_path: Path, start: Start, dark: bool) -> None:
    made = _made(tmp_path / "one.npz", start, dark=dark)
    write_background(made)
    read = read_background(made.path, "area")
    assert read.facts == made.facts
    assert np.array_equal(read.relative, made.relative)
    assert (read.dark is not None) == dark
    read.check(start)
    with pytest.raises(BadInput, match="file exists"):
        write_background(made)


def test_its_shots_follow_what_the_frames_truly_are(tmp_path: Path, make_start: StartMaker) -> None:
    """Announced top, bottom, left; truly right, left, top: rows are the announced ones in the order of the true."""
    made = _made(tmp_path / "one.npz", make_start(pixel_size_um=0.1715))
    start = make_start(pixel_size_um=0.1715, shots=("top", "bottom"))
    background, frames = made.background(start, ("right", "left"))
    assert frames == 9
    assert background.relative.mean(axis=(1, 2)).round().tolist() == [4, 3]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"width": 132}, "width: 132: background one.npz was made at 128"),
        ({"pixel_size_um": 0.2}, "pixel_size_um: 0.2: background one.npz was made at 0.1715"),
        ({"dark_level": 7.0}, "dark_level: 7.0"),
        ({"dtype": "u16", "bit_depth": 12, "white_level": 4095.0}, "white_level"),
    ],
)
def test_another_camera_is_refused(
    tmp_path: Path, start: Start, make_start: StartMaker, changes: dict[str, Any], match: str
) -> None:
    made = _made(tmp_path / "one.npz", start)
    with pytest.raises(BadInput, match=match):
        made.check(make_start(**{"pixel_size_um": 0.1715, **changes}))


def test_shots_that_it_lacks_are_named(tmp_path: Path, start: Start) -> None:
    made = _made(tmp_path / "one.npz", start, shots=("left", "right"))
    with pytest.raises(BadInput, match=r"shots: top, bottom: background one\.npz has left, right"):
        made.check(start)


def _write(path: Path, facts: dict[str, Any], **arrays: Any) -> None:
    np.savez_compressed(path, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)


def _relative(**changes: Any) -> Any:
    relative = np.ones((4, *SMALL), np.float32)
    relative[0, 0, 0] = changes.get("value", 1.0)
    return relative.astype(changes.get("dtype", np.float32))


@pytest.mark.parametrize(
    ("facts", "arrays", "match"),
    [
        ({}, {"relative": _relative(value=np.nan)}, "relative: holds values that are not finite"),
        ({}, {"relative": _relative(value=0.0)}, "relative: 0 to 1, allowed 0.1 to 10"),
        ({}, {"relative": _relative(value=11.0)}, "relative: 1 to 11"),
        ({}, {"relative": _relative()[:, 1:]}, "expected float32"),
        ({}, {"relative": _relative(dtype=np.float16)}, "float16"),
        ({}, {"relative": _relative(dtype=np.complex128)}, "bytes, allowed"),
        ({}, {"relative": _relative(), "dark": np.full(SMALL, 2, np.float32)}, "dark: 2, allowed"),
        ({}, {"relative": _relative(), "more": np.ones(3)}, "holds other arrays"),
        ({}, {"dark": np.zeros(SMALL, np.float32)}, "holds other arrays"),
        ({"kernel": "bsccm-gaussian"}, {"relative": _relative()}, "kernel: reduced by bsccm"),
        ({"colour": 1}, {"relative": _relative()}, "facts: colour"),
        ({"height": 20000}, {"relative": _relative()}, "facts: height: 20000: allowed"),
        ({"white_level": 1.0}, {"relative": _relative()}, "white_level 1.0: must exceed"),
    ],
)
def test_files_that_would_spoil_results_are_refused(
    tmp_path: Path, start: Start, facts: dict[str, Any], arrays: dict[str, Any], match: str
) -> None:
    path = tmp_path / "one.npz"
    changed = _facts(start).model_dump(mode="json") | {"dark_level": 5.0} | facts
    _write(path, changed, **arrays)
    with pytest.raises(BadInput, match=match) as raised:
        read_background(path, "area")
    assert "\n" not in str(raised.value)


def test_a_bomb_is_refused_before_it_expands(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "bomb.npz"
    _write(
        path, _facts(start).model_dump(mode="json"), relative=np.zeros((64, 1 << 20), np.float32)
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(BadInput, match=r"relative of 268435584 bytes, allowed"):
        read_background(path, "area")


def test_pickled_objects_are_never_loaded(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "evil.npz"
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], object), allow_pickle=True)
    facts = io.BytesIO()
    text = json.dumps(_facts(start).model_dump(mode="json")).encode()
    np.save(facts, np.frombuffer(text, np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facts.npy", facts.getvalue())
        archive.writestr("relative.npy", buffer.getvalue())
    with pytest.raises(BadInput, match="not a background file"):
        read_background(path, "area")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04rest", b"not a zip at all"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "one.npz"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a background file"):
        read_background(path, "area")
    with pytest.raises(BadInput, match="there is no such file"):
        read_background(tmp_path / "absent.npz", "area")


def test_a_truncated_file_is_refused(tmp_path: Path, start: Start) -> None:
    made = _made(tmp_path / "one.npz", start)
    write_background(made)
    content = made.path.read_bytes()
    for cut in range(0, len(content), len(content) // 20):
        made.path.write_bytes(content[:cut])
        with pytest.raises(BadInput):
            read_background(made.path, "area")


def test_two_backgrounds_of_one_instrument_are_refused(tmp_path: Path, start: Start) -> None:
    for name in ("a", "b"):
        write_background(_made(tmp_path / name, start))
    with pytest.raises(BadInput, match="as is"):
        read_backgrounds([tmp_path / "a", tmp_path / "b"], "area")
    assert len(read_backgrounds([tmp_path / "a"], "area")) == 1
