"""`bench field` judges methods by the truth: whoever knows the field errs least, and dust is seen by those who can."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.deploy.bench import reduction
from phenostream.deploy.bench.field import FieldCase, FieldRow, dust_map, measure_field
from phenostream.deploy.cli import main

CASE = FieldCase(0.012, 12, size_px=512, gathered=12, judged=1, rendered=24)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FieldRow]:
    cache = tmp_path_factory.mktemp("rendered")
    return {row.method: row for row in measure_field(CASE, cache)}


def test_a_recorded_field_is_nearly_the_truth(rows: dict[str, FieldRow]) -> None:
    recorded = rows["recorded"]
    assert max(recorded.field_error, recorded.contrast_error, recorded.dust_error) < 0.3


def test_only_a_field_of_several_frames_sees_dust(rows: dict[str, FieldRow]) -> None:
    assert rows["stream"].dust_error < rows["frame"].dust_error / 2
    assert rows["frame"].dust_error > 2
    assert rows["stream"].contrast_error < rows["frame"].contrast_error


def test_the_row_tells_its_case(rows: dict[str, FieldRow]) -> None:
    told = rows["stream"].as_dict()
    assert told["case"]["cells"] == 12
    assert 5 < told["shading_pp"] < 15
    assert told["found"] > 5


def test_dust_is_the_same_at_every_call_and_takes_light_only() -> None:
    dust = dust_map(512)
    assert (dust == dust_map(512)).all()
    assert dust.min() < 0.95
    assert dust.max() == 1


def test_every_way_of_reducing_is_timed_on_the_same_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduction, "_RENDERED", 16)
    rounds = []
    rows = reduction.measure_reduction(tmp_path, 256, 2, lambda: rounds.append(1))
    assert [(row.pixel_size_um, row.kernel) for row in rows] == [
        (0.1715, "area"),
        (0.1715, "bsccm-gaussian"),
        (0.2, "area"),
        (0.2, "bsccm-gaussian"),
    ]
    assert all(row.total_to_read > 1 and row.freeze_ms > 0 for row in rows)
    assert len(rounds) == 30


def test_the_command_prints_what_a_program_reads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phenostream.deploy.bench import field

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    small = replace(CASE, gathered=8, size_px=256)
    monkeypatch.setattr(field, "cases", lambda quick: [small] if quick else [])
    assert main(["bench", "field", "--part", "quality", "--quick", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["synthetic"] is True
    assert {row["method"] for row in said["quality"]} == {"none", "frame", "stream", "recorded"}
    assert main(["bench", "field", "--part", "quality", "--quick"]) == 0
    assert "SYNTHETIC" in capsys.readouterr().out
