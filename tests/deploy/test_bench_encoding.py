"""The benchmark of compressed frames: three ways over the same frames, with an exact account."""

from pathlib import Path

import pytest

from phenostream.deploy.bench.encoding import WAYS, measure_encoding
from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope


@pytest.mark.system
def test_every_way_is_timed_and_the_packed_ones_send_fewer_bytes(tmp_path: Path) -> None:
    settings = MicroscopeSettings(size_px=256, cells=4, rendered=4, preset="hard")
    microscope = SimulatedMicroscope(settings, tmp_path / "cache")
    steps: list[None] = []
    figure = measure_encoding(
        "demo", microscope, tmp_path / "d", frames=3, rounds=1, on_step=lambda: steps.append(None)
    )
    assert [way.name for way in figure.ways] == list(WAYS)
    assert len(steps) == 3
    raw, beforehand, live = figure.ways
    assert raw.ratio == 1.0
    assert beforehand.megabytes == live.megabytes < raw.megabytes
    assert all(way.frames_per_s > 0 for way in figure.ways)
