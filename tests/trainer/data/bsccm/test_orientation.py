from dataclasses import replace

import numpy as np
import pytest

from phenostream.trainer.data.bsccm.mirror import MirrorSettings, write_mirror
from phenostream.trainer.data.bsccm.orientation import shots_seen
from phenostream.trainer.data.bsccm.packer import pack
from phenostream.trainer.data.packed import PackedCells

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> PackedCells:
    """Of 150 cells enough stand alone, of the session's 60 too few."""
    folder = tmp_path_factory.mktemp("seen")
    write_mirror(folder / "BSCCMNIST", MirrorSettings(cells=150))
    return pack(folder / "BSCCMNIST", folder / "cells.npz")


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ([0, 1, 2, 3], "ok"),
        ([1, 0, 2, 3], "left_right_swapped"),
        ([0, 1, 3, 2], "top_bottom_swapped"),
        ([3, 2, 0, 1], "quarter_turn_clockwise"),
        ([0, 0, 2, 3], "repeated"),
    ],
)
def test_the_cells_tell_which_channel_is_which(
    cells: PackedCells, order: list[int], fault: str
) -> None:
    images = np.ascontiguousarray(cells.images[:, order])
    assert shots_seen(replace(cells, images=images)).fault == fault


def test_too_few_white_cells_decide_nothing(cells: PackedCells) -> None:
    kind = np.full_like(cells.kind, -1)
    assert shots_seen(replace(cells, kind=kind)).fault == "undecided"
    kind[:3] = 1
    assert shots_seen(replace(cells, kind=kind)).fault == "undecided"
