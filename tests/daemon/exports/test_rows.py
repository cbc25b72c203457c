from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from phenostream.daemon.exports.rows import RowMaker, joined, plain_name, row_columns
from phenostream.daemon.wire.results import FrameRecord, WireColumn
from phenostream.engine.errors import BadInput

RecordMaker = Callable[..., FrameRecord]


def test_every_documented_column_is_there_in_its_type_and_nothing_else(
    make_record: RecordMaker,
) -> None:
    rows = RowMaker().take(5, make_record(9))
    assert rows is not None
    columns = row_columns("a.u.")
    assert set(rows) == {column.name for column in columns}
    kinds = {"text": "O", "u64": "u", "u32": "u", "f32": "f", "bool": "b"} | {"bool or empty": "O"}
    for column in columns:
        assert rows[column.name].dtype.kind == kinds[column.kind], column.name
        assert rows[column.name].shape == (2,)


def test_vectors_are_split_by_name_and_cells_say_what_they_are(make_record: RecordMaker) -> None:
    rows = RowMaker().take(5, make_record(9))
    assert rows is not None
    assert rows["class"].tolist() == ["monocyte", None]
    assert rows["class_set"].tolist() == ["granulocyte or monocyte", None]
    assert rows["status"].tolist() == ["classified", "edge"]
    assert rows["class_probability_monocyte"][0] == np.float32(0.7)
    assert rows["marker_estimate_CD16"][0] == np.float32(1e-6)
    assert np.isnan(rows["marker_low_CD123_HLA_DR_CD14"][1])
    assert (rows["frame_seq"].tolist(), rows["cell"].tolist()) == ([9, 9], [0, 1])
    assert rows["synthetic"].all()
    assert rows["model_synthetic"].all()
    assert not rows["source_synthetic"].any()
    assert rows["calibrated"].all()
    assert np.isnan(rows["y_um"]).all()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"degraded": ["engine", "cells"], "drift": ["training:rejected"]}, ("engine, cells", "training:rejected")),
        ({"degraded": [], "drift": []}, (None, None)),
        ({}, (None, None)),
    ],
)  # fmt: skip
def test_what_was_amiss_or_has_drifted_is_named_in_every_row(
    make_record: RecordMaker, told: dict[str, list[str]], expected: tuple[str | None, str | None]
) -> None:
    rows = RowMaker().take(5, make_record(9, **told))
    assert rows is not None
    assert (rows["degraded"].tolist(), rows["drift"].tolist()) == tuple(
        [one] * 2 for one in expected
    )


def test_a_cell_without_a_score_is_not_said_to_be_like_the_training_cells(
    make_record: RecordMaker,
) -> None:
    seen = make_record(0)
    scoreless = replace(
        seen,
        columns=seen.columns
        | {
            "ood_score": WireColumn(np.full(2, np.nan, np.float32), "1"),
            "ood": WireColumn(np.array([False, False]), "1"),
        },
    )
    columnless = replace(
        seen, columns={name: one for name, one in seen.columns.items() if "ood" not in name}
    )
    for record, expected in (
        (seen, [True, None]),
        (scoreless, [None, None]),
        (columnless, [None, None]),
    ):
        rows = RowMaker().take(0, record)
        assert rows is not None
        assert rows["ood"].tolist() == expected


def test_a_model_without_sets_of_classes_has_none_in_the_table(make_record: RecordMaker) -> None:
    record = make_record(0)
    without = {name: one for name, one in record.columns.items() if name != "class_set"}
    rows = RowMaker().take(0, replace(record, columns=without))
    assert rows is not None
    assert rows["class_set"].tolist() == [None, None]


def test_rows_say_how_the_frame_came_in_and_which_flags_it_has(make_record: RecordMaker) -> None:
    record = make_record(0)
    record.meta["flags"] |= {"undersampled": True, "misoriented": True, "dark": False}
    rows = RowMaker().take(0, record)
    assert rows is not None
    assert rows["mode"].tolist() == ["best-effort"] * 2
    raised = {
        name
        for name in ("dark", "saturated", "noisy", "undersampled", "residual_high", "misoriented")
        if rows[name].all()
    }
    assert raised == {"undersampled", "misoriented"}


def test_frames_without_rows_are_counted_with_their_reason(
    make_record: RecordMaker, make_unpublished: RecordMaker
) -> None:
    maker = RowMaker()
    assert maker.take(0, make_unpublished(0, "quarantined", "shape: x")) is None
    assert maker.take(1, make_unpublished(1, "failed", "backend: x")) is None
    maker.take(2, make_record(2))
    assert maker.fates == {
        "quarantined": 1,
        "quarantined.shape": 1,
        "failed": 1,
        "failed.backend": 1,
        "published": 1,
    }
    assert (maker.frames, maker.rows) == (3, 2)


def test_only_marker_values_carry_the_marker_unit() -> None:
    units = {column.name: column.unit for column in row_columns("molecules")}
    with_unit = {name for name, unit in units.items() if unit == "molecules"}
    assert with_unit == {
        f"marker_{kind}_{marker}"
        for kind in ("estimate", "low", "high")
        for marker in ("CD123_HLA_DR_CD14", "CD3_CD19_CD56", "CD45", "CD16")
    }
    assert (units["y_px"], units["y_um"], units["received_utc_ns"]) == ("px", "um", "ns")


def test_a_row_is_calibrated_only_where_its_model_says_so(make_record: RecordMaker) -> None:
    for model in ({"calibrated": False, "interval_coverage": 0.9}, {}):
        rows = RowMaker().take(0, make_record(model=model))
        assert rows is not None
        assert not rows["calibrated"].any()


def test_two_marker_units_in_one_table_are_refused(make_record: RecordMaker) -> None:
    maker = RowMaker()
    maker.take(0, make_record(0))
    with pytest.raises(BadInput, match=r"frame 1 .*markers in ng, in a\.u\. before"):
        maker.take(1, make_record(1, marker_unit="ng"))


@pytest.mark.parametrize("key", ["run", "frame_seq", "fate", "instrument", "source_utc_ns"])
def test_a_record_without_a_key_is_one_line(make_record: RecordMaker, key: str) -> None:
    record = make_record()
    meta = {name: value for name, value in record.meta.items() if name != key}
    with pytest.raises(BadInput, match=f"offset 4.*{key}"):
        RowMaker().take(4, replace(record, meta=meta))


@pytest.mark.parametrize(("name", "value"), [("status", 9), ("class", 7)])
def test_a_code_that_means_nothing_is_refused(
    make_record: RecordMaker, name: str, value: int
) -> None:
    record = make_record()
    codes = WireColumn(np.array([0, value], np.uint8), "1")
    with pytest.raises(BadInput, match="frame 0"):
        RowMaker().take(0, replace(record, columns={**record.columns, name: codes}))


def test_joining_keeps_order_and_types(make_record: RecordMaker) -> None:
    maker = RowMaker()
    parts = [maker.take(n, make_record(n)) for n in range(3)]
    whole = joined([part for part in parts if part is not None])
    assert whole["frame_seq"].tolist() == [0, 0, 1, 1, 2, 2]
    assert whole["frame_seq"].dtype == np.uint64
    assert whole["run"].dtype == object


@pytest.mark.parametrize(
    ("name", "plain"),
    [("CD123/HLA-DR/CD14", "CD123_HLA_DR_CD14"), ("CD16", "CD16"), ("/a//b/", "a_b")],
)
def test_names_become_plain(name: str, plain: str) -> None:
    assert plain_name(name) == plain
