import numpy as np
import numpy.typing as npt
import pytest

from phenostream.trainer.evaluation.figures import moments, ranks
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.figures.moments import PairSums

F64 = npt.NDArray[np.float64]
SETTINGS = BootstrapSettings(resamples=100, seed=3)


def pairs(count: int, seed: int, offset: float = 0.0) -> tuple[F64, F64]:
    rng = np.random.default_rng(seed)
    measured = rng.normal(size=count) + offset
    return 0.6 * measured + rng.normal(size=count), measured


def rows_of(resamples: Resamples, index: int) -> npt.NDArray[np.intp]:
    """The cells of one resample, each as often as its field was drawn."""
    times = resamples.weights[index, resamples.place].astype(int)
    return np.repeat(np.arange(len(resamples)), times)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("index", [0, 1, 57])
def test_agreement_is_that_of_scipy_and_scikit_learn_in_every_resample(
    offset: float, index: int
) -> None:
    stats = pytest.importorskip("scipy.stats")
    metrics = pytest.importorskip("sklearn.metrics")
    predicted, measured = pairs(400, 1, offset)
    resamples = Resamples.of((np.arange(400) // 9).astype(np.int32), SETTINGS)
    rows = rows_of(resamples, index)
    sums = PairSums.of(resamples, predicted, measured)
    x, y = predicted[rows], measured[rows]
    assert moments.pearson(sums)[index] == pytest.approx(stats.pearsonr(x, y).statistic)
    assert moments.r_squared(sums)[index] == pytest.approx(metrics.r2_score(y, x))
    assert moments.rmse(sums)[index] == pytest.approx(metrics.root_mean_squared_error(y, x))
    spearman = ranks.spearman(resamples, predicted, measured)[index]
    assert spearman == pytest.approx(stats.spearmanr(x, y).statistic)


def test_concordance_is_lins_formula() -> None:
    predicted, measured = pairs(300, 2, 0.4)
    resamples = Resamples.of(np.arange(300, dtype=np.int32), SETTINGS)
    covariance = np.cov(predicted, measured, ddof=0)
    apart = predicted.mean() - measured.mean()
    expected = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + apart**2)
    found = moments.concordance(PairSums.of(resamples, predicted, measured))
    assert found[0] == pytest.approx(expected)


def test_tied_values_share_their_rank() -> None:
    stats = pytest.importorskip("scipy.stats")
    predicted, measured = pairs(200, 4)
    resamples = Resamples.of(np.arange(200, dtype=np.int32), SETTINGS)
    a, b = predicted.round(0), measured.round(0)
    expected = stats.spearmanr(a, b).statistic
    assert ranks.spearman(resamples, a, b)[0] == pytest.approx(expected)


def test_partial_correlation_is_that_of_the_residuals_from_class_means() -> None:
    predicted, measured = pairs(300, 5)
    kind = np.arange(300) % 3
    resamples = Resamples.of((np.arange(300) // 10).astype(np.int32), SETTINGS)
    predicted, measured = predicted + 4 * kind, measured + 7 * kind
    parts = [
        PairSums.of(resamples.select(kind == one), predicted[kind == one], measured[kind == one])
        for one in range(3)
    ]
    means = [
        np.array([column[kind == one].mean() for one in range(3)])
        for column in (predicted, measured)
    ]
    expected = np.corrcoef(predicted - means[0][kind], measured - means[1][kind])[0, 1]
    assert moments.partial(parts)[0] == pytest.approx(expected)
    assert moments.pearson(PairSums.of(resamples, predicted, measured))[0] > 0.8 > expected


def test_a_side_without_spread_has_no_correlation() -> None:
    resamples = Resamples.of(np.arange(50, dtype=np.int32), SETTINGS)
    flat, measured = np.full(50, 0.3), pairs(50, 6)[1]
    sums = PairSums.of(resamples, flat, measured)
    assert np.isnan(moments.pearson(sums)).all()
    assert np.isnan(ranks.spearman(resamples, flat, measured)).all()
    assert np.isfinite(moments.rmse(sums)).all()
    assert np.isnan(moments.r_squared(PairSums.of(resamples, measured, flat))).all()
