"""One evaluation, figure by figure, against scikit-learn and scipy."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
metrics = pytest.importorskip("sklearn.metrics")
pytestmark = pytest.mark.trainer

from scipy import stats  # noqa: E402

from phenostream.engine.manifest import Calibration  # noqa: E402
from phenostream.engine.types import CLASSES, MARKERS, Outputs  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.evaluate import evaluate_model  # noqa: E402
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings  # noqa: E402
from phenostream.trainer.evaluation.schema.document import Evaluation  # noqa: E402
from phenostream.trainer.evaluation.schema.figure import Figure  # noqa: E402
from phenostream.trainer.evaluation.schema.performance import MarkerFigures  # noqa: E402
from tests.trainer.evaluation import scripted  # noqa: E402

FEW = BootstrapSettings(resamples=100, seed=1)


@pytest.fixture(scope="module")
def train() -> CellSet:
    return scripted.cells(600, 10)


@pytest.fixture(scope="module")
def test() -> CellSet:
    return scripted.cells(600, 11)


@pytest.fixture(scope="module")
def said(test: CellSet) -> Outputs:
    return scripted.outputs_for(test, 12)


@pytest.fixture(scope="module")
def found(train: CellSet, test: CellSet, said: Outputs) -> Evaluation:
    return evaluate_model(scripted.subject(said), scripted.data(train, test), FEW)


def marker(found: Evaluation, name: str) -> MarkerFigures:
    return next(one for one in found.markers if one.name == name)


def value(figure: Figure | None) -> float:
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= figure.value <= figure.high
    return figure.value


def test_classes_are_judged_as_scikit_learn_judges_them(
    found: Evaluation, test: CellSet, said: Outputs
) -> None:
    section = found.classification
    assert section is not None
    white = test.white
    truth, called = test.kind[white], said.class_probability[white].argmax(axis=1)
    assert section.n == white.sum()
    assert value(section.accuracy) == pytest.approx(metrics.accuracy_score(truth, called))
    assert value(section.balanced_accuracy) == pytest.approx(
        metrics.balanced_accuracy_score(truth, called)
    )
    assert value(section.kappa) == pytest.approx(metrics.cohen_kappa_score(truth, called))
    table = metrics.confusion_matrix(truth, called)
    np.testing.assert_array_equal(section.confusion.counts, table)
    precision, recall, f1, counts = metrics.precision_recall_fscore_support(truth, called)
    assert value(section.macro_precision) == pytest.approx(precision.mean())
    assert value(section.macro_recall) == pytest.approx(recall.mean())
    assert value(section.macro_f1) == pytest.approx(f1.mean())
    for index, one in enumerate(section.classes):
        assert one.n == counts[index]
        assert value(one.precision) == pytest.approx(precision[index])
        assert value(one.recall) == pytest.approx(recall[index])
        assert value(one.f1) == pytest.approx(f1[index])
        area = metrics.roc_auc_score(truth == index, said.class_probability[white, index])
        assert value(one.auroc) == pytest.approx(area)
    right = (called == truth) & (said.reject_probability[white] < 0.5)
    assert value(section.accuracy_rejected_wrong) == pytest.approx(right.mean())


def test_probabilities_are_judged_as_scikit_learn_judges_them(
    found: Evaluation, test: CellSet, said: Outputs
) -> None:
    assert found.calibration is not None
    after, white = found.calibration.after, test.white
    truth, probability = test.kind[white], said.class_probability[white].astype(np.float64)
    assert value(after.nll) == pytest.approx(
        metrics.log_loss(truth, probability / probability.sum(axis=1, keepdims=True)), rel=1e-5
    )
    one_hot = np.eye(3)[truth]
    brier = sum(metrics.mean_squared_error(one_hot[:, k], probability[:, k]) for k in range(3))
    assert value(after.brier) == pytest.approx(brier)
    gaps = sum(one.n * abs(one.confidence - one.accuracy) for one in after.bins)
    assert value(after.ece) == pytest.approx(gaps / len(truth))
    assert sum(one.n for one in after.bins) == len(truth)
    for one in after.bins:
        assert one.low < one.confidence <= one.high


@pytest.mark.parametrize("name", MARKERS)
def test_markers_are_judged_as_scipy_judges_them(
    found: Evaluation, train: CellSet, test: CellSet, said: Outputs, name: str
) -> None:
    figures, index = marker(found, name), MARKERS.index(name)
    rows = test.white
    targets = train.marker_log10[train.white, index].astype(np.float64)
    y = (test.marker_log10[rows, index] - targets.mean()) / targets.std()
    x = (np.log10(said.marker_estimate[rows, index]) - targets.mean()) / targets.std()
    assert figures.n == rows.sum()
    assert value(figures.log.r) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-5)
    assert value(figures.log.spearman) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-4)
    assert value(figures.log.r2) == pytest.approx(metrics.r2_score(y, x), abs=1e-4)
    assert value(figures.log.rmse) == pytest.approx(metrics.root_mean_squared_error(y, x), abs=1e-4)
    linear = 10 ** test.marker_log10[rows, index].astype(np.float64)
    r = stats.pearsonr(said.marker_estimate[rows, index].astype(np.float64), linear).statistic
    assert value(figures.linear.r) == pytest.approx(r, abs=1e-5)
    low, high = said.marker_interval[rows, index].T
    assert figures.intervals is not None
    assert value(figures.intervals.coverage) == pytest.approx(
        ((low <= linear) & (linear <= high)).mean(), abs=2e-3
    )
    assert value(figures.intervals.width_z) == pytest.approx(2 * 0.5 / targets.std(), rel=1e-4)


def test_what_the_class_alone_gives_stands_beside_every_r(
    found: Evaluation, train: CellSet, test: CellSet, said: Outputs
) -> None:
    figures, rows = marker(found, "CD16"), test.white
    kind, called = test.kind[rows], said.class_probability[rows].argmax(axis=1)
    for scale, power in ((figures.log, False), (figures.linear, True)):
        targets = train.marker_log10[:, 3].astype(np.float64)
        measured = test.marker_log10[rows, 3].astype(np.float64)
        if power:
            targets, measured = 10**targets, 10**measured
        means = np.array([targets[train.kind == k].mean() for k in range(3)])
        assert value(scale.class_mean_r) == pytest.approx(
            np.corrcoef(means[kind], measured)[0, 1], abs=1e-5
        )
        assert value(scale.predicted_class_mean_r) == pytest.approx(
            np.corrcoef(means[called], measured)[0, 1], abs=1e-5
        )


def test_inside_a_class_the_oracle_knows_size_and_a_marker_without_a_cause_has_none(
    found: Evaluation, test: CellSet
) -> None:
    caused, uncaused = marker(found, "CD16").log, marker(found, "CD123/HLA-DR/CD14").log
    for one in caused.within:
        rows = test.kind == CLASSES.index(one.name)
        truth = np.corrcoef(test.truth[rows, 0], test.marker_log10[rows, 3])[0, 1]
        assert value(one.oracle_r) == pytest.approx(truth, abs=1e-3)
        assert one.n == rows.sum()
        assert value(one.r) > 0.5
        assert one.beyond_class
    assert all(abs(value(one.oracle_r)) < 0.3 for one in uncaused.within)
    assert value(caused.partial_r) < value(caused.r)


def test_outliers_are_judged_per_kind_against_white_cells(
    found: Evaluation, test: CellSet, said: Outputs
) -> None:
    section = found.outliers
    assert section is not None
    assert [one.name for one in section.kinds] == ["red", "debris", "empty"]
    red, white = test.kind == 3, test.white
    first = section.kinds[0]
    assert first.n == red.sum()
    assert first.ood is not None
    assert first.reject is not None
    both = white | red
    assert value(first.ood.auroc) == pytest.approx(
        metrics.roc_auc_score(red[both], said.ood_score[both])
    )
    assert value(first.reject.above_threshold) == pytest.approx(
        (said.reject_probability[red] >= 0.5).mean()
    )
    assert value(section.white_flagged) == pytest.approx((said.ood_score[white] > 2).mean())
    assert section.together is not None
    assert section.together.n == test.foreign.sum()
    caught = (said.ood_score > 2) | (said.reject_probability >= 0.5)
    assert value(first.caught) == pytest.approx(caught[red].mean())


def test_a_set_of_outliers_counts_whole_whatever_its_cells_are(
    train: CellSet, test: CellSet, said: Outputs
) -> None:
    blurred = test.select(test.white)
    section = evaluate_model(
        scripted.subject(said), scripted.data(train, test, defocus=blurred), FEW
    ).outliers
    assert section is not None
    defocus = section.kinds[-1]
    assert (defocus.name, defocus.n) == ("defocus", len(blurred))
    assert defocus.ood is not None
    assert value(defocus.ood.auroc) == pytest.approx(0.5)
    assert section.together is not None
    assert section.together.n == test.foreign.sum()


def test_the_document_survives_being_written_and_says_it_is_synthetic(found: Evaluation) -> None:
    again = Evaluation.model_validate_json(found.model_dump_json())
    assert again == found
    assert again.synthetic
    assert "SYNTHETIC" in again.headline.lines[0]
    assert again.provenance.seed == 4
    train, test = found.data.parts
    assert (train.name, train.cells, test.fields) == ("train", 600, 60)


def test_a_model_without_heads_has_no_figures_of_them(
    train: CellSet, test: CellSet, said: Outputs
) -> None:
    bare = Calibration(
        status="uncalibrated",
        interval_half_width_z=None,
        ood_threshold=None,
        reject_threshold=None,
    )
    found = evaluate_model(scripted.subject(said, bare), scripted.data(train, test), FEW)
    assert found.outliers is None
    assert all(one.intervals is None for one in found.markers)
    assert found.classification is not None
    assert found.classification.accuracy_rejected_wrong is None
    assert found.headline.refusal is None


def test_figures_that_the_cells_cannot_give_are_none(
    train: CellSet, test: CellSet, said: Outputs
) -> None:
    mask = test.marker_mask.copy()
    mask[:, 2] = False
    partly = replace(test, marker_mask=mask, truth=np.full_like(test.truth, np.nan))
    found = evaluate_model(
        scripted.subject(said), scripted.data(train, partly.select(test.white)), FEW
    )
    assert [one.name for one in found.markers] == [name for name in MARKERS if name != "CD45"]
    assert all(one.oracle_r is None for one in found.markers[0].log.within)
    assert found.outliers is not None
    assert found.outliers.kinds == ()
    assert found.outliers.together is None


def test_no_cells_at_all_give_a_document_that_refuses_its_headline(
    train: CellSet, said: Outputs
) -> None:
    nothing = train.select(np.zeros(len(train), bool))
    found = evaluate_model(scripted.subject(said), scripted.data(train, nothing), FEW)
    assert (found.classification, found.calibration, found.markers) == (None, None, ())
    assert found.headline.refusal == "no test cell has a class: no headline"


def test_cells_of_unknown_class_count_for_markers_where_none_is_known(
    train: CellSet, test: CellSet, said: Outputs
) -> None:
    ungated = replace(test, kind=np.where(test.white, -1, test.kind).astype(np.int32))
    found = evaluate_model(scripted.subject(said), scripted.data(train, ungated), FEW)
    cd16 = marker(found, "CD16")
    assert cd16.n == test.white.sum()
    assert cd16.log.class_mean_r is None
    assert value(cd16.log.r) > 0.5
    assert all(one.n == 0 and one.r is None for one in cd16.log.within)
