import numpy as np
import pytest

from phenostream.trainer.evaluation.figures import ranks
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples

SETTINGS = BootstrapSettings(resamples=100, seed=3)


def scored(count: int, shift: float, seed: int) -> tuple[Resamples, ranks.Score]:
    rng = np.random.default_rng(seed)
    group = (np.arange(count) // 8).astype(np.int32)
    return Resamples.of(group, SETTINGS), (rng.normal(size=count) + shift).round(1)


def repeated(cells: tuple[Resamples, ranks.Score], index: int) -> ranks.Score:
    resamples, score = cells
    return np.repeat(score, resamples.weights[index, resamples.place].astype(int))


@pytest.mark.parametrize("index", [0, 1, 99])
def test_auroc_and_the_curve_are_those_of_scikit_learn(index: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    white, red = scored(300, 0, 1), scored(120, 1, 2)
    low, high = repeated(white, index), repeated(red, index)
    truth = np.repeat([0, 1], [len(low), len(high)])
    score = np.concatenate([low, high])
    area = metrics.roc_auc_score(truth, score)
    assert ranks.auroc(white, red)[index] == pytest.approx(area)
    assert ranks.auroc(red, white)[index] == pytest.approx(1 - area)
    curve = ranks.roc(score, truth == 1)
    assert curve is not None
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(area, abs=1e-4)


def test_a_long_curve_is_thinned_but_keeps_its_ends() -> None:
    score = np.random.default_rng(0).normal(size=5000)
    curve = ranks.roc(score, np.arange(5000) % 2 == 0)
    assert curve is not None
    assert len(curve.x) == ranks.CURVE_POINTS
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert list(curve.x) == sorted(curve.x)


@pytest.mark.parametrize("index", [0, 7])
def test_the_false_pass_rate_is_counted_at_the_threshold_that_95_of_100_pass(index: int) -> None:
    white, red = scored(400, 0, 1), scored(200, 2, 2)
    ordered = np.sort(repeated(white, index))
    threshold = ordered[int(np.ceil(0.95 * len(ordered))) - 1]
    expected = (repeated(red, index) <= threshold).mean()
    assert ranks.false_pass_rate(white, red)[index] == pytest.approx(expected)


def test_one_side_alone_has_no_auroc() -> None:
    white, nothing = scored(40, 0, 1), scored(0, 0, 2)
    assert np.isnan(ranks.auroc(white, nothing)).all()
    assert np.isnan(ranks.false_pass_rate(white, nothing)).all()
    assert ranks.roc(white[1], np.zeros(40, bool)) is None
