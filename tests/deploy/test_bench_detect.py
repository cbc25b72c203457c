import json
from pathlib import Path
from typing import Any

import pytest

from phenostream.deploy.bench.detect import DetectScore, score
from phenostream.deploy.bench.truth import Kind, Truth, TruthFrame, write_truth
from phenostream.engine.errors import BadInput

RUN = "01900000-0000-7000-8000-000000000000"
Cell = tuple[float, float, int, int]
"""y, x, status, class."""


def _truth(path: Path, cells: list[tuple[float, float, Kind, bool]], frames: int = 1) -> Path:
    y, x, kind, edge = (list(column) for column in zip(*cells, strict=True))
    made = [
        TruthFrame(frame_seq=seq, x_px=x, y_px=y, kind=kind, edge=edge) for seq in range(frames)
    ]
    truth = Truth(synthetic=True, source="hand-made", pixel_size_um=0.1715, frames=made)
    write_truth(path / "truth.json", truth)
    return path / "truth.json"


def _result(cells: list[Cell], seq: int = 0, run: str = RUN) -> dict[str, Any]:
    columns = {
        "y_px": [c[0] for c in cells],
        "x_px": [c[1] for c in cells],
        "status": [c[2] for c in cells],
        "class": [c[3] for c in cells],
    }
    fate = {"topic": "result", "run": run, "frame_seq": seq, "fate": "published"}
    return {**fate, "columns": columns}


def _end(**ledger: int) -> dict[str, Any]:
    return {"topic": "status", "event": "run_ended", "run": RUN, "ledger": ledger}


def _results(path: Path, lines: list[dict[str, Any]]) -> Path:
    (path / "got.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path / "got.jsonl"


def _score(
    path: Path, cells: list[tuple[float, float, Kind, bool]], lines: list[dict[str, Any]]
) -> DetectScore:
    return score(_truth(path, cells), _results(path, lines))


GOOD: list[tuple[float, float, Kind, bool]] = [
    (100.0, 100.0, "lymphocyte", False),
    (100.0, 300.0, "granulocyte", False),
    (300.0, 100.0, "red", False),
    (300.0, 300.0, "debris", False),
]


def test_a_perfect_run_scores_one_and_misses_no_mark(tmp_path: Path) -> None:
    cells: list[Cell] = [(100, 100, 0, 0), (100, 300, 0, 1), (300, 100, 2, 255)]
    got = _score(
        tmp_path, GOOD, [_result(cells), _end(announced=1, received=1, published=1, missing=0)]
    )
    assert (got.recall, got.precision, got.class_accuracy) == (1.0, 1.0, 1.0)
    assert (got.cells, got.matched, got.centre_error_px) == (3, 3, 0.0)
    assert got.shortfalls() == []


@pytest.mark.parametrize("found", [False, True])
def test_debris_is_neutral(tmp_path: Path, found: bool) -> None:
    cells: list[Cell] = [(100, 100, 0, 0), (100, 300, 0, 1), (300, 100, 2, 255)]
    got = _score(tmp_path, GOOD, [_result(cells + ([(301, 302, 2, 255)] if found else []))])
    assert (got.recall, got.precision) == (1.0, 1.0)
    assert got.kinds["debris"].found == int(found)


def test_missed_and_invented_cells_are_counted(tmp_path: Path) -> None:
    got = _score(tmp_path, GOOD, [_result([(100, 100, 0, 0), (500, 500, 0, 1)])])
    assert got.recall == pytest.approx(1 / 3)
    assert got.precision == 0.5
    assert got.invented == 1
    assert len(got.shortfalls()) == 3


def test_two_found_cells_on_one_true_cell_are_one_match_and_one_invention(tmp_path: Path) -> None:
    got = _score(tmp_path, GOOD[:1], [_result([(101, 100, 0, 0), (103, 100, 0, 0)])])
    assert (got.matched, got.invented) == (1, 1)
    assert got.centre_error_px == pytest.approx(0.25)


@pytest.mark.parametrize(("offset_um", "matched"), [(3.9, 1), (4.1, 0)])
def test_a_match_is_within_four_micrometres(tmp_path: Path, offset_um: float, matched: int) -> None:
    found: Cell = (100 + offset_um / 0.1715, 100, 0, 0)
    assert _score(tmp_path, GOOD[:1], [_result([found])]).matched == matched


def test_rejected_white_cells_count_as_wrong_and_edge_cells_not_at_all(tmp_path: Path) -> None:
    cells: list[tuple[float, float, Kind, bool]] = [
        (100.0, 100.0, "lymphocyte", False),
        (100.0, 300.0, "granulocyte", False),
        (5.0, 300.0, "granulocyte", True),
        (300.0, 300.0, "white", False),
    ]
    found: list[Cell] = [(100, 100, 0, 0), (100, 300, 2, 255), (5, 300, 1, 255), (300, 300, 0, 2)]
    got = _score(tmp_path, cells, [_result(found)])
    assert (got.class_cells, got.class_accuracy) == (2, 0.5)
    assert got.kinds["granulocyte"].called == {"rejected": 1, "edge": 1}
    assert got.recall == 1.0


def test_a_frame_without_a_result_loses_its_cells(tmp_path: Path) -> None:
    truth = _truth(tmp_path, GOOD[:1], frames=2)
    got = score(truth, _results(tmp_path, [_result([(100, 100, 0, 0)], seq=1)]))
    assert (got.recall, got.frames_without_result) == (0.5, 1)


@pytest.mark.parametrize(
    ("ledger", "fault"),
    [
        ({"received": 2, "published": 1}, "received = fates"),
        ({"received": 1, "published": 1, "announced": 3}, "missing"),
        ({"received": 2, "published": 2}, "results of published frames"),
        ({"received": 1, "in_flight": 1}, "in flight at the end"),
        ({"received": 1, "published": 1, "cells_found": 3, "cells_classified": 3}, "cells in the"),
        ({"received": 1, "published": 1, "cells_found": 1, "cells_edge": 2}, "cells found"),
    ],
)
def test_a_ledger_that_does_not_add_up_is_named(
    tmp_path: Path, ledger: dict[str, int], fault: str
) -> None:
    got = _score(tmp_path, GOOD[:1], [_result([(100, 100, 0, 0)]), _end(**ledger)])
    assert any(fault in line for line in got.ledger_faults)
    assert got.shortfalls()


def test_a_frame_published_twice_is_a_fault(tmp_path: Path) -> None:
    line = _result([(100, 100, 0, 0)])
    got = _score(tmp_path, GOOD[:1], [line, line])
    assert got.ledger_faults == ("1 frames have more than one result",)


def test_a_published_frame_without_cells_is_a_result(tmp_path: Path) -> None:
    truth = Truth(
        synthetic=False,
        source="empty",
        pixel_size_um=0.2,
        frames=[TruthFrame(frame_seq=0, x_px=[], y_px=[], kind=[], edge=[])],
    )
    write_truth(tmp_path / "truth.json", truth)
    got = score(tmp_path / "truth.json", _results(tmp_path, [_result([])]))
    assert (got.recall, got.precision, got.centre_error_px) == (None, None, None)
    assert got.frames_without_result == 0


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ([_result([], run="a"), _result([], run="b")], "name one"),
        ([], "runs none"),
        ([{"topic": "result", "run": RUN, "frame_seq": "0"}], "frame_seq"),
        ([{"topic": "result", "run": RUN, "frame_seq": 0, "columns": {"y_px": [1]}}], "columns"),
        ([{"no": "topic"}], "topic"),
        ([_result([], seq=7)], "frame 7: not in the truth"),
    ],
)
def test_results_that_cannot_be_scored_are_refused_in_one_line(
    tmp_path: Path, lines: list[dict[str, Any]], match: str
) -> None:
    with pytest.raises(BadInput, match=match) as caught:
        _score(tmp_path, GOOD, lines)
    assert "\n" not in str(caught.value)
