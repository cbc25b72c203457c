"""White cells far out of focus: nobody trains on them, and they look it."""

from pathlib import Path

import numpy as np

from phenostream.engine.optics.presets import PRESETS, RANGES
from phenostream.engine.optics.rendering import draw_spec_object
from phenostream.trainer.data.outlier_cells import far_cells
from phenostream.trainer.data.simulated import FAR_UM, PartSettings


def test_no_preset_has_cells_so_far_from_focus() -> None:
    for preset in PRESETS:
        assert max(np.abs(RANGES[preset].defocus_um)) <= FAR_UM[0]
        bank = PartSettings("far", preset, 1, 50, 50).bank
        drawn = [draw_spec_object(bank, index).defocus_um for index in range(bank.n)]
        assert min(np.abs(drawn)) >= FAR_UM[0]
        assert min(drawn) < 0 < max(drawn)


def test_they_are_white_and_their_truth_is_known(tmp_path: Path) -> None:
    cells = far_cells("easy", 1, 50, tmp_path)
    assert len(cells) >= 25
    assert cells.white.all()
    assert np.isfinite(cells.truth[:, 0]).all()
