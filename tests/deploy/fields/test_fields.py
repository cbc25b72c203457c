"""The score on smear fields: what counts as right, its intervals, and the command."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.deploy.bench import fields
from phenostream.deploy.bench.fields import FieldOutcome, score_fields, summarised
from phenostream.deploy.bench.fields_page import NUMBERS, PAGE
from phenostream.deploy.cli import main
from phenostream.engine.errors import BadInput
from tests.deploy.fields.folders import MARKED, annotation, jpeg, write_field
from tests.engine.test_stained import smear

PUBLIC = Path(__file__).parents[3] / ".." / "shared" / "data" / "bccd_fov"


def _outcome(hit: list[bool], right: list[bool]) -> FieldOutcome:
    return FieldOutcome(
        annotation=Path("a.xml"),
        chosen_on=False,
        marked=np.zeros((len(hit), 4), np.float32),
        covered=np.array(hit, np.float32),
        hit=np.array(hit, bool),
        found=np.zeros((len(right), 4), np.float32),
        right=np.array(right, bool),
        taken_for=("",) * right.count(False),
        ms=1.0,
    )


def test_drawn_fields_score_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_field(tmp_path, name)
    score = score_fields(tmp_path, 200)
    whole = score.parts[0]
    assert (whole.fields, whole.marked, whole.found) == (2, 4, 4)
    assert whole.recall is not None
    assert whole.recall.value == 1
    assert whole.false_per_field is not None
    assert whole.false_per_field.value == 0
    assert [part.part for part in score.parts] == [fields.ALL, fields.OTHERS]
    assert score.shortfalls() == []


def test_a_cell_nobody_marked_is_a_false_find_and_what_is_marked_there_is_named(
    tmp_path: Path,
) -> None:
    wrong_name = ("Platelets", *MARKED[1][1:])
    write_field(tmp_path, "a", annotation((MARKED[0], wrong_name)))
    [outcome] = score_fields(tmp_path, 200).outcomes
    assert outcome.hit.tolist() == [True]
    assert sorted(outcome.right.tolist()) == [False, True]
    assert outcome.taken_for == ("Platelets",)
    assert outcome.wrong


def test_a_marked_cell_that_is_not_there_is_missed_and_a_box_elsewhere_does_not_count(
    tmp_path: Path,
) -> None:
    moved = ("WBC", MARKED[1][1] + 90, MARKED[1][2] + 100, 640.0, 480.0)
    write_field(tmp_path, "a", annotation((MARKED[0], moved)))
    [outcome] = score_fields(tmp_path, 200).outcomes
    assert outcome.hit.tolist() == [True, False]
    assert outcome.covered[0] > 0.8
    assert 0 < outcome.covered[1] < 0.5


def test_one_marked_cell_is_found_once(tmp_path: Path) -> None:
    whole = ("WBC", 101.0, 121.0, 300.0, 320.0)
    write_field(tmp_path, "a", annotation((whole, whole)))
    [outcome] = score_fields(tmp_path, 200).outcomes
    assert outcome.hit.sum() == 1


def test_intervals_are_over_fields_and_never_without_width() -> None:
    perfect = summarised("all", [_outcome([True], [True])] * 20)
    assert perfect.recall is not None
    assert perfect.recall.low == pytest.approx(0.025 ** (1 / 20))
    assert perfect.recall.high == 1
    assert perfect.false_per_field is not None
    assert perfect.false_per_field.high == pytest.approx(3.689 / 20, abs=1e-3)
    mixed = summarised("all", [_outcome([True], [True, False]), _outcome([False], [])] * 10)
    assert mixed.recall is not None
    assert (mixed.recall.value, mixed.recall.n) == (0.5, 20)
    assert mixed.recall.low is not None
    assert 0.2 < mixed.recall.low < 0.4
    assert mixed.precision is not None
    assert mixed.precision.value == 0.5
    assert mixed.overlap == 1.0


def test_few_fields_have_no_interval_and_no_cells_no_recall() -> None:
    few = summarised("all", [_outcome([True], [True])] * 3)
    assert few.recall is not None
    assert few.recall.low is None
    none = summarised("all", [_outcome([], [])] * 9)
    assert (none.recall, none.precision, none.overlap) == (None, None, None)


def test_fields_that_settings_were_chosen_on_are_scored_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_field(tmp_path, "a")
    other = smear(((320, 240),))
    write_field(tmp_path, "b", annotation((("WBC", 221, 141, 420, 340),)), jpeg(other))
    known = hashlib.sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()[:12]
    monkeypatch.setattr(fields, "_chosen_on", lambda: frozenset([known]))
    score = score_fields(tmp_path, 200)
    assert [(part.part, part.marked) for part in score.parts] == [
        (fields.ALL, 3),
        (fields.CHOSEN_ON, 2),
        (fields.OTHERS, 1),
    ]


def test_half_of_the_public_fields_is_known_to_have_been_chosen_on() -> None:
    known = fields._chosen_on()
    assert len(known) == 141
    if not PUBLIC.is_dir():
        pytest.skip("the smear fields of ../shared/data are not here")
    there = [
        hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in sorted(PUBLIC.glob("*.jpg"))
    ]
    assert {name in known for name in there[::2]} == {True}
    assert {name in known for name in there[1::2]} == {False}


def test_a_folder_of_which_nothing_can_be_used_is_refused(tmp_path: Path) -> None:
    write_field(tmp_path, "a", "<annotation")
    with pytest.raises(BadInput, match=r"none of 1 fields can be used; first a\.xml: not XML"):
        score_fields(tmp_path, 200)


def test_the_command_prints_and_writes_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_field(tmp_path / "in", "a", annotation((MARKED[0],)))
    write_field(tmp_path / "in", "b", "<annotation")
    write_field(tmp_path / "in", "<c>", annotation(MARKED))
    command = ["bench", "detect", "--fields", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main(command) == 1
    said = capsys.readouterr().out
    assert "White cells on 2 stained fields" in said
    assert "wrong: a: 0 missed, 1 false" in said
    assert "left out: b: b.xml: not XML" in said
    assert "SHORT: false finds a field 0.500: at most 0.2" in said
    page = (tmp_path / "out" / PAGE).read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "<c>" not in page
    assert "Research use only" in page
    numbers = json.loads((tmp_path / "out" / NUMBERS).read_text())
    assert numbers["parts"][0]["false_per_field"]["value"] == 0.5
    assert numbers["left_out"]["b"].startswith("b.xml: not XML")


def test_the_command_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_field(tmp_path, "a")
    assert main(["bench", "detect", "--fields", str(tmp_path), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["parts"][0]["recall"]["value"] == 1
    assert found["wrong"] == []
    assert found["shortfalls"] == []


def test_fields_without_a_white_cell_have_no_recall(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_field(tmp_path, "a", annotation((("RBC", 15, 15, 105, 105),)), jpeg(smear(())))
    assert main(["bench", "detect", "--fields", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "note: no field has a box named WBC: there is no recall" in said
    assert "none" in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--fields", "nowhere"], "nowhere: no such folder of smear fields"),
        (["--fields", ".", "--cell-px", "3"], "--cell-px 3: allowed 8 to 4096"),
        (["--fields", ".", "--cell-px", "nan"], "--cell-px nan: allowed 8 to 4096"),
        (["--fields", ".", "--truth", "t"], "--fields goes without --truth"),
        (["--fields", ".", "--run", "t"], "--fields goes without --run"),
        (["--recording", "r"], "--recording goes with --truth"),
        (["--recording", "r", "--truth", "t", "--results", "x"], "--recording goes without --results"),
        (["--out", "x"], "--out goes with --fields"),
        (["--truth", "t"], "--truth goes with --results or --recording"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_go_together_are_refused(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "detect", *arguments]) == 2
    assert line in capsys.readouterr().err


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the smear fields of ../shared/data are not here")
def test_public_fields_reach_the_marks_on_those_not_chosen_on(tmp_path: Path) -> None:
    for path in sorted(PUBLIC.glob("*.xml"))[1::8]:
        for file in (path, path.with_suffix(".jpg")):
            (tmp_path / file.name).symlink_to(file.resolve())
    score = score_fields(tmp_path, 200)
    assert [part.part for part in score.parts] == [fields.ALL, fields.OTHERS]
    assert score.shortfalls() == []
