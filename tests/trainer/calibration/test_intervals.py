import math

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.trainer.calibration.intervals import (  # noqa: E402
    fit_interval_scale,
    half_widths,
    quantile_per_class,
)
from tests.trainer.calibration.toy import SHARES, toy  # noqa: E402


@pytest.mark.parametrize("count", [30, 32, 57, 101])
def test_where_the_class_is_known_it_is_the_split_conformal_quantile_of_each(count: int) -> None:
    rng = np.random.default_rng(count)
    kind = np.repeat([0, 1, 2], count)
    score = rng.exponential(1 + kind)
    found = quantile_per_class(score, np.eye(3)[kind], np.ones(3 * count), 0.9)
    place = math.ceil((count + 1) * 0.9) - 1
    np.testing.assert_allclose(found, [np.sort(score[kind == c])[place] for c in range(3)])


def test_a_new_cell_is_covered_as_often_as_the_theory_says_to_three_digits() -> None:
    """Of n = 30 it is 28 in 31 = 0.903; 27 in 31 = 0.871 without the cell more, 29 in 31 = 0.935 with one too many."""
    rng = np.random.default_rng(0)
    known = np.eye(3)[np.repeat([0, 1, 2], 30)]
    covered = [
        quantile_per_class(rng.uniform(size=90), known, np.ones(90), 0.9) for _ in range(300)
    ]
    assert np.mean(covered) == pytest.approx(28 / 31, abs=0.006)


def test_every_class_is_covered_by_its_probability_where_classes_cannot_be_told_apart() -> None:
    cells, others = toy(5_000, 0), toy(20_000, 1)
    p, new_p = cells.posterior(SHARES), others.posterior(SHARES)
    scale = fit_interval_scale(cells.evidence(), p, np.ones(5_000), 0.9)
    covered = others.evidence().residual_z <= half_widths(others.evidence(), new_p, scale)
    assert covered.mean() == pytest.approx(0.9, abs=0.01)
    for label in range(3):
        share = np.average(covered.mean(axis=1), weights=new_p[:, label])
        assert share == pytest.approx(0.9, abs=0.02), label
        assert covered[others.kind == label].mean() > 0.84, label
    for sure in (new_p.max(axis=1) > 0.9, new_p.max(axis=1) < 0.7):
        assert covered[sure].mean() == pytest.approx(0.9, abs=0.02)


def test_one_width_for_all_cells_would_cover_the_sure_and_not_the_doubtful() -> None:
    """What the spread and the classes are for: the same cells with one half width a marker."""
    others = toy(20_000, 1)
    residual = others.evidence().residual_z
    covered = residual <= np.quantile(residual, 0.9, axis=0)
    doubtful = others.posterior(SHARES).max(axis=1) < 0.7
    assert covered[doubtful].mean() < 0.85
    assert covered[others.kind == 2].mean() < 0.8


def test_a_stated_population_is_covered_as_if_it_had_been_calibrated_on() -> None:
    elsewhere = (0.15, 0.25, 0.6)
    cells, others = toy(5_000, 0), toy(20_000, 1, elsewhere)
    p, new_p = cells.posterior(elsewhere), others.posterior(elsewhere)
    weight = (np.array(elsewhere) / SHARES)[cells.kind]
    scale = fit_interval_scale(cells.evidence(), p, weight, 0.9)
    covered = others.evidence().residual_z <= half_widths(others.evidence(), new_p, scale)
    assert covered.mean() == pytest.approx(0.9, abs=0.015)
    unweighted = fit_interval_scale(cells.evidence(), cells.posterior(SHARES), np.ones(5_000), 0.9)
    old_p = others.posterior(SHARES)
    missed = others.evidence().residual_z > half_widths(others.evidence(), old_p, unweighted)
    assert missed.mean() > 0.12


def test_half_widths_end_where_estimates_do() -> None:
    cells = toy(10, 0)
    widths = half_widths(cells.evidence(), cells.posterior(SHARES), np.full((3, 4), 1e6))
    assert (widths == 8).all()


def test_too_few_cells_of_a_class_are_refused() -> None:
    kind = np.repeat([0, 1, 2], [50, 50, 8])
    with pytest.raises(BadInput, match=r"8\.0 cells of class monocyte, need 9 to cover 90%"):
        quantile_per_class(np.ones(108), np.eye(3)[kind], np.ones(108), 0.9)


def test_a_model_that_knows_no_class_gets_the_quantile_of_all_cells() -> None:
    rng = np.random.default_rng(0)
    nobody_knows = np.tile([0.3, 0.6, 0.1], (1_000, 1))
    score = rng.exponential(size=1_000)
    factors = quantile_per_class(score, nobody_knows, np.ones(1_000), 0.9)
    quantile = np.quantile(score, 0.9)
    assert nobody_knows[0] @ factors == pytest.approx(quantile, rel=0.02)
    assert factors.min() >= 0.25 * quantile - 1e-9
