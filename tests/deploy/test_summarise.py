"""`phenostream summarise`, as a user types it."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.cli.main import main
from phenostream.engine.summary.template import write_summary
from tests.deploy.toy_summaries import A, B, a_frame, a_journal, a_summary
from tests.engine.summary.populations import population

TEMPLATE = ("--mode", "template")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A run of one window that has ended, and a window of another that goes on."""
    return a_journal(tmp_path / "journal", [a_summary(1, "run", A), a_summary(2, "window", B)])


def test_the_newest_summary_is_said_with_its_run_and_its_source(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summarise", str(journal), *TEMPLATE]) == 0
    heading, text, source = capsys.readouterr().out.splitlines()
    assert heading == f"run {B} of scope-1, its newest window:"
    assert text == write_summary(population(2))
    assert source == "worded by: template"


def test_json_holds_the_facts_of_the_run_that_was_asked_for(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summarise", str(journal), "--run", A[-6:], "--json", *TEMPLATE]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["run"], said["scope"], said["source"]) == (A, "run", "template")
    assert said["facts"]["frames"] == population(1).frames


def test_it_is_said_in_the_style_that_was_asked_for(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summarise", str(journal), "--style", "line", *TEMPLATE]) == 0
    assert write_summary(population(2), "line") in capsys.readouterr().out.splitlines()


def test_a_run_is_compared_with_one_that_was_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, kept = tmp_path / "journal", tmp_path / "monday.json"
    frames = [a_frame(n, A, n) for n in range(3)]
    a_journal(journal, [a_summary(1, "run", A)], frames)
    assert main(["summarise", str(journal), "--save-reference", str(kept)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{kept}: ")
    assert f"of 3 frames of run {A}, model toy 1, SYNTHETIC" in said
    assert main(["summarise", str(journal), "--reference", str(kept), "--json", *TEMPLATE]) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert (facts["frames"], facts["scope"]) == (3, "part")  # it goes on
    assert [one["name"] for one in facts["comparisons"]] == ["monday"]
    assert main(["summarise", str(journal), "--save-reference", str(kept)]) == 2
    assert "monday.json: file exists" in capsys.readouterr().err


def test_one_cell_is_explained_by_the_end_of_its_runs_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [a_frame(n, A, n) for n in range(3)]
    journal = a_journal(tmp_path / "journal", [], frames)
    cell = f"{A[-8:]}/1/4"
    assert main(["summarise", str(journal), "--explain", cell]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Cell {A}/1/4 of “scope-1”: ")
    assert lines[-1].endswith("not a diagnosis.")
    assert main(["summarise", str(journal), "--explain", cell, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["text"].splitlines() == lines
    assert (said["facts"]["frame_seq"], said["facts"]["index"]) == (1, 4)
    assert main(["summarise", str(journal), "--explain", f"{A}/1/99"]) == 2
    assert "index 99: the frame has 20 cells, allowed 0 to 19" in capsys.readouterr().err
    assert main(["summarise", str(journal), "--explain", f"{A}/3/0"]) == 2
    assert f"holds no result of frame 3 of run {A}" in capsys.readouterr().err
    assert main(["summarise", str(journal), "--explain", "f00/1/4"]) == 2
    said = capsys.readouterr().err
    assert f"no result of a run 'f00': allowed the end of the id of one that it holds ({A})" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["/nowhere/journal"], "/nowhere/journal: no such file"),
        (["ipc:///tmp/phenostream-none/results"], "no control endpoint beside it"),
        (["JOURNAL", "--run", ""], "--run ''"),
        (["JOURNAL", "--reference", "/nowhere/ref.json"], "/nowhere/ref.json"),
        (["JOURNAL", "--reference", "a", "--save-reference", "b"], "allowed one of them"),
        (["JOURNAL", "--reference", "a", "--window"], "--window with --reference"),
        (["JOURNAL", "--explain", "8057/3"], "allowed RUN/FRAME/INDEX"),
        (["JOURNAL", "--explain", "8057/3/1"], "holds no result of any frame"),
        (["JOURNAL", "--explain", "8057/3/1", "--window"], "--window with --explain"),
        (["JOURNAL", "--style", "haiku"], "--style 'haiku': allowed bedside, lab, line"),
        (["JOURNAL", "--language", "la"], "--language 'la': allowed en"),
        (["JOURNAL", "--deadline", "0"], "--deadline 0: allowed above 0, to 3600"),
        (["JOURNAL", "--mode", "poem"], "--mode 'poem': allowed grammar, free, template"),
        (["JOURNAL", "--mode", "free", "--language", "de"], "--language 'de': allowed en"),
        (["JOURNAL", "--llm", "/nowhere/model.gguf"], "/nowhere/model.gguf: no such file"),
        (["JOURNAL", "--run", "f00"], "holds no summary of run f00"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    words: list[str], named: str, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summarise", *(w.replace("JOURNAL", str(journal)) for w in words)]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1
