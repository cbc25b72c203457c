import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from phenostream.daemon.exports.jsonl import frame_of, json_line, json_record
from phenostream.daemon.wire.results import FrameRecord, WireColumn
from phenostream.deploy.bench.results import read_results
from phenostream.engine.errors import BadInput

RecordMaker = Callable[..., FrameRecord]


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=5, min_side=0)))
def test_float32_come_back_bit_for_bit_but_what_json_has_no_word_for(
    values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
) -> None:
    line = json_line("result", 1, FrameRecord({}, {"y_px": WireColumn(values, "px")}))
    back = frame_of(json.loads(line)).columns["y_px"]
    assert back.unit == "px"
    finite = np.where(np.isfinite(values), values, np.float32(np.nan))
    if values.size:  # an empty list has lost its inner shape
        assert np.array_equal(back.values, finite, equal_nan=True)


def test_a_number_is_its_shortest_decimal(make_record: RecordMaker) -> None:
    value = json_record("result", 7, make_record())
    assert (value["topic"], value["offset"]) == ("result", 7)
    assert value["columns"]["y_px"] == [10.1, 20.2]
    assert value["columns"]["class_probability"] == [[0.1, 0.2, 0.7], [None, None, None]]
    assert value["columns"]["edge"] == [False, True]
    assert value["units"]["marker_estimate"] == "a.u."


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_json_has_not_are_null_everywhere(number: float) -> None:
    body = {"facts": {"mean": number, "list": [number, 1.5]}, "raw": b"\x01\xff"}
    value = json.loads(json_line("summary", 0, body))
    assert value["facts"] == {"mean": None, "list": [None, 1.5]}
    assert value["raw"] == "01ff"


def test_all_columns_and_meta_survive(make_record: RecordMaker) -> None:
    record = make_record(3)
    back = frame_of(json.loads(json_line("result", 0, record)))
    assert {**record.meta, "topic": "result", "offset": 0} == back.meta
    for name, column in record.columns.items():
        assert back.columns[name].unit == column.unit
        assert np.array_equal(
            back.columns[name].values, column.values, equal_nan=column.values.dtype.kind == "f"
        )


def test_the_scorer_of_the_bench_reads_these_lines(
    tmp_path: Path, make_record: RecordMaker, make_unpublished: RecordMaker, run: str
) -> None:
    records = [make_record(0), make_unpublished(1, "quarantined", "shape: wrong")]
    ended = {"event": "run_ended", "run": run, "ledger": {"received": 2}}
    lines = [json_line("result", n, record) for n, record in enumerate(records)]
    lines += [json_line("summary", 2, {"text": "x"}), json_line("status", 3, ended)]
    path = tmp_path / "got.jsonl"
    path.write_text("\n".join(lines) + "\n")
    found = read_results(path)
    assert found.run == run
    assert found.fates == {0: "published", 1: "quarantined"}
    assert found.ledger == {"received": 2}
    assert found.frames[0].kind.tolist() == [2, 255]
    assert found.frames[0].y_px.tolist() == [10.1, 20.2]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"y_px": ["a"]}, "column y_px"),
        ({"status": [300]}, "column status"),
        ({"y_px": [[1], [1, 2]]}, "column y_px"),
        ({"y_px": [1.0], "x_px": []}, "columns of different lengths"),
        ([1], "columns or units: not an object"),
    ],
)
def test_columns_that_are_none_are_refused(columns: object, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        frame_of({"columns": columns})
