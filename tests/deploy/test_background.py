"""`phenostream background`: from a recording of an empty field to the file the daemon reads."""

import json
from pathlib import Path

import numpy as np
import pytest

from phenostream.daemon.backgrounds import read_background
from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.recordings.writer import write_recording
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.cli import main
from phenostream.engine.types import SHOTS, Frame

START = Start(
    run="00000000-0000-7000-8000-000000000000",
    instrument="scope",
    pixel_size_um=0.343,
    dark_level=30.0,
    white_level=4095.0,
    bit_depth=12,
    dtype="u16",
    height=192,
    width=224,
    shots=("top", "left", "bottom", "right"),
    wavelength_um=0.53,
    numerical_aperture=0.5,
    synthetic=True,
    source_utc_ns=1,
)


def _field(level: float = 1500.0) -> np.ndarray:
    x = np.linspace(-1, 1, START.width)
    tilts = np.array([0.04, -0.02, 0.06, -0.05])
    field = level * (1 + tilts[:, None, None] * x + np.zeros((START.height, 1)))
    field[:, 100:104, 60:64] *= 0.8
    return field


def _record(
    path: Path, light: np.ndarray, count: int = 8, start: Start = START, noise: float = 8.0
) -> Path:
    rng = np.random.default_rng(0)

    def counts() -> Frame:
        frame: Frame = np.clip(30.5 + light + rng.normal(0, noise, light.shape), 0, 4095).astype(
            "<u2"
        )
        return frame

    write_recording(path, start, (SourceFrame(seq, counts()) for seq in range(count)))
    return path


def test_an_empty_field_becomes_a_background(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bright = _record(tmp_path / "empty.phenorec", _field())
    dark = _record(tmp_path / "dark.phenorec", np.full((4, 192, 224), 12.0), noise=2.0)
    out = tmp_path / "scope.npz"
    assert main(["background", str(bright), str(out), "--dark", str(dark), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    made = read_background(out, "area")
    assert made.facts.shots == SHOTS
    assert (made.facts.frames, made.facts.dark_frames, made.facts.synthetic) == (8, 8, True)
    expected = _field()[[1, 3, 0, 2]].reshape(4, 96, 2, 112, 2).mean(axis=(2, 4)) - 12
    expected /= expected.mean(axis=(1, 2), keepdims=True)
    assert abs(made.relative - expected).max() < 0.01
    assert made.dark is not None
    assert made.dark.mean() == pytest.approx(12 / 4065, rel=0.02)
    assert said["shading"]["left"][0] < 0.85
    assert main(["background", str(bright), str(out)]) == 2
    assert "exists" in capsys.readouterr().err


def _dipoles(still: bool) -> np.ndarray:
    y, x = np.indices((192, 224))
    light = _field()
    bell = np.exp(-((y - 96) ** 2 + (x - 150) ** 2) / 120)
    slopes = [-(y - 96), (x - 150), (y - 96), -(x - 150)]
    return light * (1 + np.stack(slopes) * bell * 0.06) if still else light


@pytest.mark.parametrize(
    ("light", "count", "match"),
    [
        (_field(), 7, "7 whole frames, at least 8"),
        (_field(20.0), 8, "0.5 % of full scale above dark_level, at least 2 %"),
        (_field(5000.0), 8, "saturated"),
        (_dipoles(still=True), 8, "1 cells or specks"),
    ],
    ids=["few", "dark", "saturated", "cells"],
)
def test_recordings_that_would_spoil_results_are_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    light: np.ndarray,
    count: int,
    match: str,
) -> None:
    path = _record(tmp_path / "empty.phenorec", light, count)
    out = tmp_path / "scope.npz"
    assert main(["background", str(path), str(out)]) == 2
    said = capsys.readouterr().err.strip()
    assert match in said
    assert "\n" not in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("dark", "start", "match"),
    [
        (np.full((4, 192, 224), 1490.0), START, "above the dark recording"),
        (
            np.full((4, 192, 224), 12.0),
            START.model_copy(update={"pixel_size_um": 0.2}),
            "pixel_size_um: 0.2, the bright recording has 0.343",
        ),
        (
            np.full((4, 192, 224), 12.0),
            START.model_copy(update={"shots": SHOTS}),
            "shots",
        ),
    ],
    ids=["as bright", "another camera", "another order"],
)
def test_a_dark_that_is_none_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dark: np.ndarray,
    start: Start,
    match: str,
) -> None:
    bright = _record(tmp_path / "empty.phenorec", _field())
    covered = _record(tmp_path / "dark.phenorec", dark, start=start)
    out = tmp_path / "scope.npz"
    assert main(["background", str(bright), str(out), "--dark", str(covered)]) == 2
    assert match in capsys.readouterr().err


def test_too_few_or_too_many_frames_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    for frames in ("7", "257"):
        assert main(["background", "none.phenorec", str(tmp_path / "a"), "--frames", frames]) == 2
