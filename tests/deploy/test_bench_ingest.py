"""The ingest benchmark sends by every way, and its ratios are those of its rounds."""

from pathlib import Path

from phenostream.deploy.bench.ingest import WAYS, measure_ingest
from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope


def test_every_way_is_measured_against_ipc(tmp_path: Path) -> None:
    microscope = SimulatedMicroscope(MicroscopeSettings(size_px=256, cells=0), tmp_path)
    steps: list[int] = []
    ways = measure_ingest(
        "demo", microscope, tmp_path / "d", frames=4, rounds=1, on_step=lambda: steps.append(1)
    )
    assert [way.way for way in ways] == list(WAYS)
    assert ways[0].ratio == 1
    assert all(way.mb_per_s > 0 and way.low <= way.mb_per_s <= way.high for way in ways)
    assert len(steps) == 3
