import numpy as np
import pytest

from phenostream.trainer.evaluation.figures.bootstrap import (
    LEAST_FIELDS,
    BootstrapSettings,
    Resamples,
)

SETTINGS = BootstrapSettings(resamples=400, seed=1)


def groups(fields: int, cells: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.repeat(np.arange(fields), cells).astype(np.int32)


def test_cells_of_one_field_come_and_go_together() -> None:
    rng = np.random.default_rng(0)
    field_effect = rng.normal(size=60)
    shared = Resamples.of(groups(60, 25), SETTINGS).mean(np.repeat(field_effect, 25))
    apart = Resamples.of(np.arange(1500, dtype=np.int32), SETTINGS).mean(
        np.repeat(field_effect, 25)
    )
    assert shared is not None
    assert apart is not None
    assert shared.value == pytest.approx(field_effect.mean())
    assert apart.value == pytest.approx(field_effect.mean())
    assert shared.low is not None and shared.high is not None  # noqa: PT018
    assert apart.low is not None and apart.high is not None  # noqa: PT018
    expected = 2 * 1.96 * field_effect.std() / np.sqrt(60)
    assert shared.high - shared.low == pytest.approx(expected, rel=0.15)
    assert apart.high - apart.low < 0.3 * (shared.high - shared.low)


def test_intervals_hold_the_truth_about_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        rate = np.clip(0.8 + 0.05 * rng.standard_normal(80), 0, 1)
        true = rng.random(800) < np.repeat(rate, 10)
        settings = BootstrapSettings(resamples=200, seed=trial)
        share = Resamples.of(groups(80, 10), settings).share(true)
        assert share is not None
        assert share.low is not None and share.high is not None  # noqa: PT018
        held += share.low <= 0.8 <= share.high
    assert 180 <= held <= 198


def test_the_same_seed_draws_the_same_fields() -> None:
    group = groups(30, 4)
    one, two = Resamples.of(group, SETTINGS), Resamples.of(group + 7, SETTINGS)
    np.testing.assert_array_equal(one.weights, two.weights)
    other = Resamples.of(group, BootstrapSettings(resamples=400, seed=2))
    assert (one.weights != other.weights).any()


def test_few_fields_give_no_interval() -> None:
    true = np.arange(40) % 3 == 0
    few = Resamples.of(groups(LEAST_FIELDS - 1, 10), SETTINGS).share(true)
    assert few is not None
    assert (few.low, few.high, few.n) == (None, None, 40)


def test_all_of_few_fields_is_no_certainty() -> None:
    every = Resamples.of(groups(20, 10), SETTINGS).share(np.ones(200, bool))
    never = Resamples.of(groups(20, 10), SETTINGS).share(np.zeros(200, bool))
    assert every is not None
    assert never is not None
    exact = 0.025 ** (1 / 20)  # the lower end of a binomial interval for 20 of 20
    assert [every.low, every.high] == pytest.approx([exact, 1])
    assert [never.low, never.high] == pytest.approx([0, 1 - exact])


def test_nothing_has_no_figure_and_a_rare_one_has_no_interval() -> None:
    resamples = Resamples.of(groups(20, 5), SETTINGS)
    none = resamples.select(np.zeros(100, bool))
    assert none.mean(np.zeros(0)) is None
    assert none.share(np.zeros(0, bool)) is None
    rare = np.full(401, np.nan)
    rare[:200] = 0.5
    figure = resamples.figure(rare)
    assert figure is not None
    assert figure.low is None


def test_sets_beside_one_another_are_drawn_apart() -> None:
    one, two = Resamples.of(groups(10, 2), SETTINGS), Resamples.of(groups(6, 3), SETTINGS)
    both = one.beside(two)
    assert (len(both), both.fields) == (38, 16)
    total, first = both.sums(np.ones(38), np.arange(38) < 20)
    assert (total - first).tolist() == [18.0] * 401
    assert first.tolist() == [20.0] * 401
