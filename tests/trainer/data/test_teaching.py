"""Targets without the noise that no image shows: right on average, and only where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.engine.optics.cells import marker_row, truth_row
from phenostream.engine.optics.rendering import BankSpec, draw_spec_object
from phenostream.engine.types import CLASSES, CROP_PX
from phenostream.trainer.data.cell_set import KINDS, CellSet
from phenostream.trainer.data.teaching import with_expected_levels

_COUNT = 3_000


@pytest.fixture(scope="module")
def cells() -> CellSet:
    """White cells and red ones without pictures, their levels and truth as the simulator draws them."""
    spec = BankSpec(1, _COUNT, "easy", "golden", kind_mix=(0.9, 0.1, 0.0))
    drawn = [draw_spec_object(spec, index).cells[0] for index in range(_COUNT)]
    levels = np.stack([marker_row(cell) for cell in drawn])
    kind = [KINDS.index(getattr(cell, "kind", "red")) for cell in drawn]
    empty = CellSet.with_labels(
        np.zeros((_COUNT, 4, CROP_PX, CROP_PX), np.float32),
        np.ones((_COUNT, 4), np.float32),
        np.array(kind, np.int32),
        np.nan_to_num(levels),
        np.isfinite(levels),
        np.zeros(_COUNT, np.int32),
    )
    return replace(empty, truth=np.stack([truth_row(cell) for cell in drawn]))


def test_within_every_class_expected_levels_have_the_measured_mean_and_less_spread(
    cells: CellSet,
) -> None:
    taught = with_expected_levels(cells)
    for index in range(len(CLASSES)):
        measured = cells.marker_log10[cells.kind == index]
        expected = taught.marker_log10[cells.kind == index]
        error = 4 * measured.std(axis=0) / np.sqrt(len(measured))
        assert (np.abs(measured.mean(axis=0) - expected.mean(axis=0)) < error).all()
        assert (expected.std(axis=0) < 0.6 * measured.std(axis=0)).all()


def test_only_targets_of_white_cells_change(cells: CellSet) -> None:
    taught = with_expected_levels(cells)
    np.testing.assert_array_equal(
        taught.marker_log10[~cells.white], cells.marker_log10[~cells.white]
    )
    np.testing.assert_array_equal(taught.marker_mask, cells.marker_mask)
    np.testing.assert_array_equal(taught.truth, cells.truth)


def test_cells_of_unknown_truth_are_refused(cells: CellSet) -> None:
    with pytest.raises(BadInput, match=r"truth of .* granulocytes is unknown"):
        with_expected_levels(
            replace(cells, truth=np.where([True, False], cells.truth, np.nan).astype(np.float32))
        )
