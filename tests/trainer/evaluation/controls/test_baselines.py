from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("sklearn")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.types import MARKERS  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.controls.baselines import (  # noqa: E402
    augmented,
    baseline_answers,
    binned_contrast,
    majority,
    on_pixels,
    size_marker_model,
)
from phenostream.trainer.evaluation.controls.simple_models import Strength, fit_simple  # noqa: E402


@pytest.fixture(scope="module")
def halves(cells_by_size: CellSet) -> tuple[CellSet, CellSet]:
    even = np.arange(len(cells_by_size)) % 2 == 0
    return cells_by_size.select(even), cells_by_size.select(~even)


def test_every_baseline_answers_for_every_cell(halves: tuple[CellSet, CellSet]) -> None:
    train, test = halves
    answers = baseline_answers(train, test, None, seed=1)
    assert [answer.name for answer in answers] == [
        "majority",
        "size only",
        "logistic on pixels",
        "MLP on pixels",
    ]
    for answer in answers:
        assert answer.kind is not None
        assert answer.kind.shape == (len(test),)
        assert answer.marker_log10.shape == (len(test), len(MARKERS))
        assert answer.what.endswith(".")
    for answer in answers[1:]:
        assert answer.kind is not None
        assert (answer.kind == test.kind)[test.white].mean() > 0.9
        assert np.isfinite(answer.marker_log10).all()


def test_the_same_seed_gives_the_same_answers(halves: tuple[CellSet, CellSet]) -> None:
    first, again = (on_pixels(*halves, None, seed=1)[1] for _ in range(2))
    assert first.kind is not None
    assert again.kind is not None
    assert np.array_equal(first.kind, again.kind)
    assert np.array_equal(first.marker_log10, again.marker_log10)


def test_size_alone_predicts_a_marker_that_is_size(halves: tuple[CellSet, CellSet]) -> None:
    train, test = halves
    said = size_marker_model(train)(test)
    assert np.corrcoef(said[:, 0], test.marker_log10[:, 0])[0, 1] > 0.9
    assert np.abs(np.corrcoef(said[:, 1], test.marker_log10[:, 1])[0, 1]) < 0.4


def test_the_population_moves_the_majority_and_close_calls(
    halves: tuple[CellSet, CellSet],
) -> None:
    train, test = halves
    rare = majority(train, test, np.array([0.1, 0.1, 0.8])).kind
    assert rare is not None
    assert set(rare) == {2}
    rng = np.random.default_rng(1)
    features = rng.normal(size=(len(train), 2))
    model = fit_simple(features, train, Strength())
    for index, mix in enumerate(([0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98])):
        called = model.kind(features, np.array(mix))
        assert called is not None
        assert (called == index).all()


def test_a_missing_class_or_marker_is_not_modelled(halves: tuple[CellSet, CellSet]) -> None:
    train, test = halves
    mask = train.marker_mask.copy()
    mask[:, 3] = False
    two = replace(train, kind=np.minimum(train.kind, 1), marker_mask=mask)
    model = fit_simple(binned_contrast(two), two, Strength())
    assert model.kind(binned_contrast(test)) is None
    said = model.marker_log10(binned_contrast(test))
    assert np.isnan(said[:, 3]).all()
    assert np.isfinite(said[:, :3]).all()


def test_augmented_cells_are_bounded_and_start_with_the_cells_themselves(
    halves: tuple[CellSet, CellSet],
) -> None:
    train, _ = halves
    wide = augmented(train, seed=1)
    assert len(wide) == 4 * len(train)
    assert np.array_equal(wide.images[: len(train)], train.images)
    assert np.array_equal(wide.kind, np.tile(train.kind, 4))
    assert (wide.images[len(train) :] != np.tile(train.images, (3, 1, 1, 1))).any()


@pytest.mark.parametrize("features", [np.zeros((3, 2)), np.full((90, 2), np.nan)])
def test_features_that_do_not_fit_are_refused(
    halves: tuple[CellSet, CellSet], features: npt.NDArray[np.float64]
) -> None:
    train, _ = halves
    with pytest.raises(BadInput, match="need finite rows, one each"):
        fit_simple(features[: len(train)], train, Strength())
