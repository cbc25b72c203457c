"""Golden crops: of every kind in turn, and those last whose answer hangs on the last digits of a pixel."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from phenostream.trainer.data.cell_set import KINDS, CellSet
from phenostream.trainer.golden import GOLDEN_CROPS, golden_crops
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.network.model import RawOutputs

pytestmark = pytest.mark.trainer


class Touchy:
    """A graph whose logits are a mean of pixels, 10,000 times as large where the background is bright."""

    def eval(self) -> "Touchy":
        return self

    def raw(self, images: Tensor, background: Tensor) -> RawOutputs:
        gain = torch.where(background[:, 0] > 0.5, 1e4, 1.0)
        logit = images[:, 0, 0, 0] * gain
        nothing = torch.zeros(len(images), 4)
        return RawOutputs(logit[:, None].repeat(1, 3), nothing, logit, nothing, nothing)


def some_cells(bright: int) -> CellSet:
    """Sixty noise crops of six kinds in turn; those of kind `bright` have a bright background."""
    rng = np.random.default_rng(0)
    kind = np.arange(60, dtype=np.int32) % len(KINDS)
    background = np.full((60, 4), 0.25, np.float32)
    background[kind == bright] = 0.75
    return CellSet.with_labels(
        rng.random((60, 4, 28, 28), np.float32),
        background,
        kind,
        np.zeros((60, 4), np.float32),
        np.zeros((60, 4), np.bool_),
        np.arange(60, dtype=np.int32),
    )


def test_every_kind_has_its_turn() -> None:
    cells = some_cells(bright=0)
    crops = golden_crops(cells)
    assert len(crops) == GOLDEN_CROPS
    np.testing.assert_array_equal(crops.images, cells.images[:GOLDEN_CROPS])


def test_a_crop_that_hangs_on_the_last_digits_is_passed_over() -> None:
    cells = some_cells(bright=5)
    crops = golden_crops(cells, cast(BundleGraph, Touchy()))
    assert len(crops) == GOLDEN_CROPS
    assert (crops.background < 0.5).all()


def test_where_none_is_steady_there_are_golden_crops_all_the_same() -> None:
    cells = some_cells(bright=2).select(np.arange(2, 60, 6))
    crops = golden_crops(cells, cast(BundleGraph, Touchy()))
    assert len(crops) == 10
