import numpy as np
import pytest

from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import Calibration, ClassSets, Manifest, MarkerTransform
from phenostream.engine.postprocess import (
    NO_CLASS,
    STATUSES,
    CellCounts,
    FieldOfView,
    count_cells,
    frame_columns,
)
from phenostream.engine.types import CLASSES, MARKERS, SHOTS, Detections, Outputs

VIEW = FieldOfView(4.0, 0.1715, (2048, 2048))


def _manifest() -> Manifest:
    return Manifest.model_construct(
        classes=CLASSES,
        markers=MARKERS,
        shots=SHOTS,
        marker_unit="a.u.",
        synthetic=True,
        marker_transform=MarkerTransform(scale="log10", mean=(0, 0, 0, 0), sd=(1, 1, 1, 1)),
        calibration=Calibration(
            status="calibrated",
            interval_half_width_z=(1, 1, 1, 1),
            ood_threshold=10.0,
            reject_threshold=0.5,
        ),
    )


def _detections(n: int, edge: tuple[int, ...] = ()) -> Detections:
    position = np.linspace(20, 400, n, dtype=np.float32)
    at_edge = np.zeros(n, bool)
    at_edge[list(edge)] = True
    return Detections(position, position + 1, position / np.float32(50), position, at_edge)


def _outputs(n: int) -> Outputs:
    rows = np.arange(n, dtype=np.float32)[:, None]
    logits = np.zeros((n, 3), np.float32)
    logits[np.arange(n), np.arange(n) % 3] = 2
    return Outputs(
        class_logits=logits,
        marker_z=rows + np.zeros((1, 4), np.float32),
        class_probability=(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)),
        marker_estimate=(rows + np.arange(4)).astype(np.float32),
        marker_interval=np.stack([rows + np.arange(4) - 1, rows + np.arange(4) + 1], -1).astype(
            np.float32
        ),
        ood_score=np.linspace(0, 20, n, dtype=np.float32),
        reject_probability=np.linspace(0, 0.9, n, dtype=np.float32),
        feature=np.full((n, 256), 0.25, np.float32),
    )


def test_every_found_cell_has_one_row_and_one_fate() -> None:
    detections = _detections(8, edge=(0, 3))
    seen = np.array([0, 1, 1, 0, 1, 1, 0, 0], bool)
    columns = frame_columns(detections, seen, _outputs(4), VIEW, _manifest())
    assert {len(c.array) for c in columns.values()} == {8}
    names = [STATUSES[s] for s in columns["status"].array]
    assert names == [
        "edge", "classified", "classified", "edge", "rejected", "rejected", "over_limit", "over_limit",
    ]  # fmt: skip
    counts = count_cells(columns["status"].array)
    assert counts == CellCounts(8, 2, 2, 2, 2)
    assert counts.found == counts.classified + counts.edge + counts.rejected + counts.over_limit


def test_model_columns_belong_to_the_cells_that_were_seen() -> None:
    seen = np.array([0, 1, 0, 1], bool)
    columns = frame_columns(_detections(4), seen, _outputs(2), VIEW, _manifest())
    z = columns["marker_z"].array[:, 0]
    assert np.array_equal(z, [np.nan, 0, np.nan, 1], equal_nan=True)
    assert np.array_equal(columns["marker_low"].array[3], [0, 1, 2, 3])
    assert np.array_equal(columns["marker_high"].array[3], [2, 3, 4, 5])
    assert columns["marker_low"].unit == "a.u."


def test_only_classified_cells_have_a_class_and_rejected_ones_keep_their_numbers() -> None:
    seen = np.ones(4, bool)
    columns = frame_columns(_detections(4), seen, _outputs(4), VIEW, _manifest())
    assert columns["class"].array.tolist() == [0, 1, NO_CLASS, NO_CLASS]
    assert np.isfinite(columns["class_probability"].array).all()
    assert columns["ood"].array.tolist() == [False, False, True, True]


def test_positions_are_camera_pixels_and_stage_micrometres() -> None:
    view = FieldOfView(4.0, 0.25, (2049, 2049), stage_um=(1000.0, -50.0))
    columns = frame_columns(_detections(1), np.zeros(1, bool), None, view, _manifest())
    assert columns["y_px"].array[0] == 20.5 * 4 - 0.5
    assert columns["x_px"].array[0] == 21.5 * 4 - 0.5
    assert columns["y_um"].array[0] == pytest.approx(-50 + (81.5 - 1024) * 0.25)
    assert columns["x_um"].array[0] == pytest.approx(1000 + (85.5 - 1024) * 0.25)
    assert "y_um" not in frame_columns(_detections(1), np.zeros(1, bool), None, VIEW, _manifest())


def test_no_cells_give_empty_columns_of_the_same_names_and_dtypes() -> None:
    full = frame_columns(_detections(3), np.ones(3, bool), _outputs(3), VIEW, _manifest())
    none = frame_columns(_detections(0), np.zeros(0, bool), None, VIEW, _manifest())
    assert list(none) == list(full)
    for name, column in none.items():
        assert column.array.shape == (0, *full[name].array.shape[1:])
        assert column.array.dtype == full[name].array.dtype


def test_features_come_as_float16_when_asked_for() -> None:
    columns = frame_columns(
        _detections(2), np.ones(2, bool), _outputs(2), VIEW, _manifest(), feature=True
    )
    assert columns["feature"].array.shape == (2, 256)
    assert columns["feature"].array.dtype == np.float16


def test_outputs_of_another_number_of_cells_are_a_fault() -> None:
    with pytest.raises(EngineFault, match="2 rows for 3 cells"):
        frame_columns(_detections(3), np.ones(3, bool), _outputs(2), VIEW, _manifest())


def test_a_classified_cell_has_the_set_of_classes_that_cannot_be_excluded() -> None:
    manifest = _manifest()
    seen = np.array([1, 1, 0, 1], bool)
    assert "class_set" not in frame_columns(_detections(4), seen, _outputs(3), VIEW, manifest)
    sets = ClassSets(coverage=0.9, threshold=(0.05, 0.3, 0.3))
    update = {"calibration": manifest.calibration.model_copy(update={"class_sets": sets})}
    told = frame_columns(
        _detections(4), seen, _outputs(3), VIEW, manifest.model_copy(update=update)
    )
    assert told["class_set"].array.dtype == np.uint8
    # the third has gone through the model and is rejected, the one before it has not
    assert told["class_set"].array.tolist() == [0b001, 0b011, 0, 0]
    assert list(told).index("class_set") == list(told).index("class") + 1


def test_the_class_is_the_most_probable_one_whatever_the_logits_say() -> None:
    outputs = _outputs(1)
    outputs.class_probability[0] = [0.2, 0.1, 0.7]
    columns = frame_columns(_detections(1), np.ones(1, bool), outputs, VIEW, _manifest())
    assert outputs.class_logits[0].argmax() == 0
    assert columns["class"].array.tolist() == [2]


def test_what_a_model_does_not_have_is_nan_and_flags_and_rejects_nothing() -> None:
    bare = Calibration(
        status="uncalibrated", interval_half_width_z=None, ood_threshold=None, reject_threshold=None
    )
    manifest = _manifest().model_copy(update={"calibration": bare})
    columns = frame_columns(_detections(4), np.ones(4, bool), _outputs(4), VIEW, manifest)
    for name in ("marker_low", "marker_high", "ood_score", "reject_probability"):
        assert np.isnan(columns[name].array).all(), name
    assert not columns["ood"].array.any()
    assert {STATUSES[s] for s in columns["status"].array} == {"classified"}
    assert np.isfinite(columns["marker_estimate"].array).all()


def test_a_cell_whose_outputs_are_not_finite_has_failed_and_its_neighbours_have_not() -> None:
    outputs = _outputs(4)
    outputs.feature[1, 7] = np.inf
    outputs.marker_interval[3, 0, 1] = np.nan
    seen = np.array([1, 1, 0, 1, 1], bool)
    columns = frame_columns(_detections(5), seen, outputs, VIEW, _manifest())
    whole = frame_columns(_detections(5), seen, _outputs(4), VIEW, _manifest())
    status = columns["status"].array
    assert [STATUSES[s] for s in status] == [
        "classified", "failed", "over_limit", "rejected", "failed",
    ]  # fmt: skip
    counts = count_cells(status)
    assert (counts.found, counts.failed) == (5, 2)
    for name in ("class_logits", "marker_z", "marker_low", "ood_score", "reject_probability"):
        assert np.isnan(columns[name].array[[1, 4]]).all(), name
        np.testing.assert_array_equal(columns[name].array[[0, 3]], whole[name].array[[0, 3]])
    assert columns["class"].array[[1, 4]].tolist() == [NO_CLASS] * 2
    assert not columns["ood"].array[[1, 4]].any()
