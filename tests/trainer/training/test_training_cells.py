from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.training.settings import TrainSettings  # noqa: E402
from phenostream.trainer.training.training_cells import refuse_untrainable  # noqa: E402
from tests.trainer.training.blob_cells import blobs  # noqa: E402


def settings(**changed: Any) -> TrainSettings:
    return TrainSettings.model_validate({"out": Path("nowhere"), "batch": 24, **changed})


def spoilt(column: str, value: object, *place: object) -> CellSet:
    cells = blobs(60, 0)
    array = getattr(cells, column).copy()
    array[place] = value
    return replace(cells, **{column: array})


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (blobs(18, 0), "training: 18 cells, need one batch of 24 or more"),
        (
            spoilt("images", np.nan, 7, 2, 5),
            "training: images of 1 of 60 cells (first: row 7) are not finite",
        ),
        (
            spoilt("background", np.inf, slice(3, 5), 0),
            "training: background of 2 of 60 cells (first: row 3) are not finite",
        ),
        (
            spoilt("marker_log10", np.nan, [6, 12], 2),
            "training: CD45: targets of 2 of 60 cells (first: row 6) are not finite",
        ),
        (
            spoilt("marker_mask", False, slice(None), 3),
            "training: CD16: its mask is all zero; there is no target to learn",
        ),
        (
            spoilt("kind", 0, slice(None)),
            "training: no cell of class granulocyte, monocyte; need some of each class",
        ),
    ],
)
def test_what_cannot_be_learnt_from_is_named_in_one_line(cells: CellSet, line: str) -> None:
    with pytest.raises(BadInput) as caught:
        refuse_untrainable(cells, settings())
    assert str(caught.value) == line


def test_a_single_task_asks_only_for_its_own_targets() -> None:
    one_kind, no_target = spoilt("kind", 0, slice(None)), spoilt("marker_mask", False, slice(None))
    refuse_untrainable(one_kind, settings(network={"tasks": "markers"}))
    refuse_untrainable(no_target, settings(network={"tasks": "classes"}))


def test_a_masked_target_may_be_anything() -> None:
    refuse_untrainable(spoilt("marker_log10", np.nan, 5), settings())
