"""`phenostream evaluate`: a model, a data set, a report."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main
from phenostream.trainer.evaluation.report.files import read_report
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.reproduce import assessment
from phenostream.trainer.reproduce.assessment import Assessment, AssessmentSettings, OnStep
from tests.trainer.evaluation.report import documents


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--dataset", "simulated"], "MODEL: needed"),
        (["demo", "--dataset", "bsccm"], "root"),
        (["demo", "--dataset", "simulated", "--root", "."], "root"),
        (["demo", "--dataset", "simulated", "--crops", "3"], "--crops: 3"),
        (["demo", "--dataset", "simulated", "--resamples", "1"], "--resamples: 1"),
        (["/nowhere", "--dataset", "simulated"], "/nowhere"),
        (["demo", "--dataset", "bsccm", "--root", "/nowhere"], "/nowhere"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *words, "--out", str(tmp_path / "out")]) == BAD_USAGE
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert named in told
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.timeout(300)  # renders 140 objects
def test_a_tiny_simulated_set_gives_a_report_without_a_headline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["evaluate", "demo", "--dataset", "simulated", "--crops", "60", "--resamples", "100"]
    assert main([*words, "--no-comparisons", "--out", str(out), "--json"]) == GOOD
    said = json.loads(capsys.readouterr().out)
    assert said["synthetic"] is True
    assert "monocyte" in said["headline"]["refusal"]
    assert said["figures"] == {}
    document = read_report(out)
    assert isinstance(document, Evaluation)
    assert document.data.facts.protocol == "simulated"
    assert document.outliers is not None
    assert {"red", "swap left-right"} <= {kind.name for kind in document.outliers.kinds}
    assert "No headline" in (out / "report.html").read_text("utf-8")
    assert "No headline" in (out / "report.md").read_text("utf-8")


def test_a_person_reads_the_headline_and_each_marker_beside_its_class_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"

    def assessed(settings: AssessmentSettings, on_step: OnStep) -> Assessment:
        on_step("cells")
        return Assessment(documents.evaluation(), {"html": page})

    monkeypatch.setattr(assessment, "assess", assessed)
    words = ["evaluate", "demo", "--dataset", "simulated", "--out", str(tmp_path)]
    assert main(words) == GOOD
    shown = capsys.readouterr()
    assert "SYNTHETIC" in shown.out
    assert "Class accuracy 0.938 [0.928, 0.948]" in shown.out
    assert "class means alone" in shown.out
    assert "0.22 [0.17, 0.27]" in shown.out
    assert str(page) in shown.err
