"""`phenostream compare`: two reports on the command line."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main
from phenostream.trainer.evaluation.report.files import NUMBERS
from tests.trainer.evaluation.report import documents


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with several seeds, and the file of one evaluation."""
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / NUMBERS).write_text(documents.reproduction().model_dump_json(indent=1))
    file = tmp_path / "one.json"
    file.write_text(documents.evaluation().model_dump_json())
    return folder, file


def test_two_runs_are_told_side_by_side(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "difference.html"
    assert main(["compare", *map(str, runs), "--out", str(page)]) == GOOD
    shown = capsys.readouterr().out
    assert "SYNTHETIC" in shown
    assert "2 seeds" in shown
    assert "0.938 [0.928, 0.948]" in shown
    assert "no difference shown" in shown
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_a_program_reads_the_same(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, runs), "--json"]) == GOOD
    said = json.loads(capsys.readouterr().out)
    assert said["comparable"] is True
    assert said["rows"][0]["difference"]["value"] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no report to read"),
        ("{", "not a report"),
        ('{"format_version": 2}', "not a report"),
        ('{"evaluations": []}', "protocol"),
    ],
)
def test_what_is_no_report_is_one_line(
    content: str | None,
    words: str,
    runs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "bad.json"
    if content is not None:
        file.write_text(content)
    assert main(["compare", str(runs[0]), str(file)]) == BAD_USAGE
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(file) in told
    assert words in told


def test_a_name_from_a_file_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = documents.evaluation()
    subject = said.subject.model_copy(update={"name": "evil\x1b[2J"})
    file = tmp_path / "evil.json"
    file.write_text(said.model_copy(update={"subject": subject}).model_dump_json())
    assert main(["compare", str(file), str(file)]) == GOOD
    assert "\x1b" not in capsys.readouterr().out
