"""The report on real cells: its figures against a direct count, its words, and folders that lack something."""

from pathlib import Path

import numpy as np
import pytest

from phenostream.trainer.data.bsccm_figures import read_figures
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.single_shot.figures import STEPS, judge
from phenostream.trainer.single_shot.page import write_page
from phenostream.trainer.single_shot.schema import FiguresReport
from phenostream.trainer.single_shot.weights import load_single_shot
from tests.trainer.single_shot.toy_shots import LABELS, figures_folder, saved_model

pytestmark = pytest.mark.trainer
FEW = BootstrapSettings(resamples=100)


def report_on(folder: Path, model: Path) -> FiguresReport:
    steps: list[str] = []
    report = judge(folder, read_figures(folder), load_single_shot(model), FEW, steps.append)
    assert len(steps) == STEPS
    return report


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return figures_folder(tmp_path_factory.mktemp("figures") / "set")


@pytest.fixture(scope="module")
def report(folder: Path, model: Path) -> FiguresReport:
    return report_on(folder, model)


def test_figures_are_what_a_direct_count_gives(report: FiguresReport) -> None:
    assert [way.name for way in report.ways] == ["strict", "adapted", "size alone", "HOG"]
    balanced = {}
    for name in ("strict", "adapted"):
        recall = []
        for index, label in enumerate(LABELS[:3]):
            called = [int(np.argmax(c.probability[name])) for c in report.cells if c.label == label]
            recall.append(np.mean(np.array(called) == index))
        balanced[name] = float(np.mean(recall))
        found = report.way(name).classification
        assert found is not None
        assert found.balanced_accuracy.value == pytest.approx(balanced[name])
        for one in report.way(name).rejected:
            wanted = LABELS[:3] if one.label == "white" else (one.label,)
            p = [c.reject_probability[name] for c in report.cells if c.label in wanted]
            assert one.share is not None
            assert one.share.value == pytest.approx(np.mean(np.array(p) > 0.5))
    assert report.gain is not None
    assert report.gain.value == pytest.approx(balanced["adapted"] - balanced["strict"])


def test_baselines_are_beside_it(report: FiguresReport) -> None:
    size = report.way("size alone")
    assert size.classification is not None
    assert size.classification.accuracy.value == 1.0
    assert size.mean_auroc is not None
    assert size.mean_auroc.value == 1.0


def test_what_saw_real_pixels_is_not_called_zero_shot(report: FiguresReport) -> None:
    assert report.way("strict").what.startswith("zero-shot")
    assert report.way("adapted").what.startswith("not zero-shot")
    with pytest.raises(KeyError):
        report.way("other")


@pytest.mark.parametrize(
    ("labels", "each"),
    [(("lymphocyte",), 6), (("rbc", "unknown"), 4), (("lymphocyte", "monocyte", "rbc"), 3)],
)
def test_folders_without_some_labels_are_judged_as_far_as_they_go(
    tmp_path: Path, model: Path, labels: tuple[str, ...], each: int
) -> None:
    folder = figures_folder(tmp_path / "set", each, labels)
    report = report_on(folder, model)
    assert sum(report.counts.values()) == len(labels) * each
    strict = report.way("strict")
    assert strict.mean_auroc is None
    assert (strict.classification is None) == (labels[0] == "rbc")
    assert write_page(report, read_figures(folder), tmp_path / "out").is_file()


def test_the_page_is_self_contained_and_shows_every_cell(
    report: FiguresReport, folder: Path, tmp_path: Path
) -> None:
    text = write_page(report, read_figures(folder), tmp_path).read_text()
    assert text.count("data:image/png;base64,") == len(report.cells)
    assert "Research use only" in text
    assert "http" not in text.replace("http-equiv", "")
    again = FiguresReport.model_validate_json((tmp_path / "figures.json").read_bytes())
    assert again == report
