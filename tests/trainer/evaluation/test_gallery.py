import base64

import cv2
import numpy as np
import pytest

from phenostream.engine.manifest import Calibration, MarkerTransform
from phenostream.engine.types import OUTPUT_SHAPES, Outputs
from phenostream.trainer.data.cell_set import CellSet, concatenate
from phenostream.trainer.evaluation.gallery import RULES, gallery_cells, typical_rows

TRANSFORM = MarkerTransform(scale="log10", mean=(0, 0, 0, 0), sd=(1, 1, 1, 1))
CALIBRATION = Calibration(
    status="calibrated",
    interval_half_width_z=(1, 1, 1, 1),
    ood_threshold=2.0,
    reject_threshold=0.8,
)


@pytest.fixture
def cells(white_cells: CellSet) -> CellSet:
    """Thirty white cells and three empty tiles."""
    white = white_cells.select(np.arange(30))
    empty = CellSet.with_labels(
        np.full((3, 4, 28, 28), 0.4, np.float32),
        np.full((3, 4), 0.4, np.float32),
        np.full(3, 5, np.int32),
        np.zeros((3, 4), np.float32),
        np.zeros((3, 4), np.bool_),
        np.zeros(3, np.int32),
    )
    return concatenate([white, empty])


def said_of(cells: CellSet) -> Outputs:
    """A model that is right at 0.6 + row / 100, but for row 7; rejects row 4 and the first empty tile."""
    count = len(cells)
    columns = {name: np.zeros((count, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()}
    sure = (0.6 + np.arange(count) / 100).astype(np.float32)
    called = np.where(cells.kind < 3, cells.kind, 0)
    called[7] = (called[7] + 1) % 3
    columns["class_probability"][:] = ((1 - sure) / 2)[:, None]
    columns["class_probability"][np.arange(count), called] = sure
    columns["marker_z"][:] = cells.marker_log10
    columns["marker_z"][9, 3] += 5
    columns["reject_probability"][[4, 30]] = 0.9
    columns["ood_score"][:] = np.arange(count)
    return Outputs(**columns)


def test_each_rule_shows_the_cells_it_promises(cells: CellSet) -> None:
    shown = gallery_cells(cells, said_of(cells), CALIBRATION, TRANSFORM)
    rows = {reason: [cell.row for cell in shown if cell.reason == reason] for reason in RULES}
    assert rows["wrong and sure"] == [7]
    assert rows["rejected"] == [4]
    assert rows["passes"] == [31, 32]
    assert rows["most out of distribution"] == [29, 28, 27, 26, 25, 24]
    assert 9 in rows["farthest marker"]
    for kind in range(3):
        of_kind = np.flatnonzero((cells.kind == kind) & (np.arange(len(cells)) != 7))
        assert set(of_kind[-2:]) <= set(rows["right and sure"])
    assert [cell.called for cell in shown if cell.row == 4] == ["rejected"] * (
        1 + sum(4 in rows[reason] for reason in RULES if reason != "rejected")
    )


def test_a_picture_is_a_png_of_six_panels_and_says_what_it_shows(cells: CellSet) -> None:
    shown = gallery_cells(cells, said_of(cells), CALIBRATION, TRANSFORM)
    for cell in shown:
        file = np.frombuffer(base64.b64decode(cell.picture.png_base64), np.uint8)
        image = cv2.imdecode(file, cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert image.shape[:2] == (84, 3 * (6 * 28 + 5))
        assert len(file) < 12_000
        assert cell.true in cell.picture.alt
        assert cell.called in cell.picture.caption
    again = gallery_cells(cells, said_of(cells), CALIBRATION, TRANSFORM)
    assert again == shown


def test_a_model_without_thresholds_has_no_rejected_cells(cells: CellSet) -> None:
    bare = Calibration(
        status="uncalibrated",
        interval_half_width_z=None,
        ood_threshold=None,
        reject_threshold=None,
    )
    shown = gallery_cells(cells, said_of(cells), bare, TRANSFORM)
    reasons = {cell.reason for cell in shown}
    assert reasons == {"right and sure", "wrong and sure", "farthest marker"}


def test_no_cells_give_no_pictures(cells: CellSet) -> None:
    none = cells.select(np.zeros(0, np.intp))
    assert gallery_cells(none, said_of(cells).take(slice(0, 0)), CALIBRATION, TRANSFORM) == ()
    assert len(typical_rows(none, said_of(cells).take(slice(0, 0)))) == 0


def test_typical_cells_are_right_and_of_every_class(cells: CellSet) -> None:
    rows = typical_rows(cells, said_of(cells), each=2)
    assert sorted(cells.kind[rows]) == [0, 0, 1, 1, 2, 2]
    assert 7 not in rows
