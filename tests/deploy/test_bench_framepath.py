from pathlib import Path

from phenostream.deploy.bench.framepath import measure_framepath
from phenostream.deploy.microscope import MicroscopeSettings


def test_the_frame_path_is_timed_step_by_step_on_frames_with_cells(tmp_path: Path) -> None:
    settings = MicroscopeSettings(size_px=512, pixel_size_um=0.343, cells=12, rendered=12)
    row = measure_framepath(settings, tmp_path, frames=2, rounds=5)
    assert 8 <= row.cells <= 12
    assert min(row.read_ms, row.reduce_ms, row.detect_ms, row.crop_ms) > 0
    assert row.total_ms > 0
    assert row.total_to_read > 0
