from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.types import MARKERS  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.controls.brief_fit import BriefAnswer, Budget  # noqa: E402
from phenostream.trainer.evaluation.controls.chance import against_chance  # noqa: E402
from phenostream.trainer.evaluation.controls.controls import (  # noqa: E402
    brightness_only,
    position_only,
    shuffled_targets,
    with_shuffled_targets,
)
from phenostream.trainer.evaluation.controls.judge import Judge  # noqa: E402
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings  # noqa: E402
from phenostream.trainer.evaluation.schema.figure import Figure  # noqa: E402

BRIEF = Budget(cells=120, epochs=1, batch=16)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def placed(cells_by_size: CellSet) -> CellSet:
    """Cells at random places under light that has nothing to do with them, eight times over for narrow intervals."""
    rng = np.random.default_rng(2)
    wide = cells_by_size.select(np.tile(np.arange(len(cells_by_size)), 8))
    place = rng.uniform(0, 400, (len(wide), 2)).astype(np.float32)
    level = rng.uniform(0.3, 0.5, (len(wide), 4)).astype(np.float32)
    return replace(
        wide, position=place, background=level, group=(np.arange(len(wide)) // 10).astype(np.int32)
    )


def split(cells: CellSet) -> tuple[CellSet, Judge]:
    even = cells.group % 2 == 0
    return cells.select(even), Judge.of(cells.select(~even), BootstrapSettings(resamples=200))


def test_place_and_light_that_say_nothing_are_at_chance(placed: CellSet) -> None:
    for control in (position_only, brightness_only):
        found = control(*split(placed))
        assert found.as_expected is True
        assert found.verdict == "No better than chance."
        assert set(found.figures) == {"balanced accuracy", *(f"r {name}" for name in MARKERS)}
        assert "would mean that" in found.expected


def test_a_class_that_goes_with_the_place_is_found(placed: CellSet) -> None:
    place = placed.position.copy()
    place[:, 1] = 100 * placed.kind + place[:, 1] / 4
    found = position_only(*split(replace(placed, position=place)))
    assert found.as_expected is False
    assert "may read the place instead of the cell" in found.verdict


def test_a_marker_that_goes_with_the_light_is_found(placed: CellSet) -> None:
    level = placed.background * np.exp(0.1 * placed.marker_log10[:, 3:])
    found = brightness_only(*split(replace(placed, background=level)))
    assert found.as_expected is False
    assert "r CD16" in found.verdict


def test_an_unknown_place_is_no_control(cells_by_size: CellSet) -> None:
    found = position_only(*split(cells_by_size))
    assert (found.as_expected, found.figures) == (None, {})
    assert found.verdict.startswith("Not run")


def test_shuffling_deals_labels_out_as_one_piece(cells_by_size: CellSet) -> None:
    shuffled = with_shuffled_targets(cells_by_size, 1)
    assert np.array_equal(shuffled.images, cells_by_size.images)
    order = [
        np.flatnonzero(cells_by_size.marker_log10[:, 1] == v)[0]
        for v in shuffled.marker_log10[:, 1]
    ]
    assert sorted(order) == list(range(len(order)))
    assert np.array_equal(shuffled.kind, cells_by_size.kind[order])
    assert (np.array(order) != np.arange(len(order))).mean() > 0.9


def test_shuffled_targets_are_judged_beside_true_ones(cells_by_size: CellSet) -> None:
    train, judge = split(cells_by_size)
    knows = BriefAnswer(1, judge.test.kind, judge.test.marker_log10)
    found = shuffled_targets(train, BRIEF, judge, knows)
    assert found.figures["balanced accuracy, true targets"].value == 1
    assert "balanced accuracy" in found.figures
    assert "1 epochs over at most 120 training cells" in found.what
    ignorant = BriefAnswer(1, np.zeros_like(judge.test.kind), judge.test.marker_log10)
    assert shuffled_targets(train, BRIEF, judge, ignorant).as_expected is not True


def test_shuffled_targets_without_anything_to_learn_are_not_run(cells_by_size: CellSet) -> None:
    train, judge = split(cells_by_size)
    assert shuffled_targets(train, BRIEF, judge, None).verdict.startswith("Not run")
    one_class = replace(train, kind=np.zeros_like(train.kind))
    knows = BriefAnswer(1, judge.test.kind, judge.test.marker_log10)
    found = shuffled_targets(one_class, BRIEF, judge, knows)
    assert found.as_expected is None
    assert "no cell of class" in found.verdict


@pytest.mark.parametrize(
    ("low", "value", "high", "expected"),
    [
        (0.30, 0.35, 0.40, True),
        (0.34, 0.36, 0.38, True),
        (0.40, 0.45, 0.50, False),
        (0.20, 0.40, 0.60, None),
        (None, 0.35, None, None),
    ],
)
def test_chance_is_told_from_a_leak_and_from_too_few_cells(
    low: float | None, value: float, high: float | None, expected: bool | None
) -> None:
    figure = Figure(value=value, low=low, high=high, n=100)
    said, words = against_chance({"balanced accuracy": figure, "accuracy": figure}, "a leak")
    assert said is expected
    assert ("a leak" in words) == (expected is False)


@pytest.mark.parametrize(
    ("low", "value", "high", "expected"),
    [(0.01, 0.07, 0.15, True), (0.05, 0.15, 0.19, False), (-0.30, -0.25, -0.20, True)],
)
def test_a_correlation_that_explains_less_than_a_hundredth_is_no_leak(
    low: float, value: float, high: float, expected: bool
) -> None:
    figure = Figure(value=value, low=low, high=high, n=100)
    assert against_chance({"r CD16": figure}, "a leak")[0] is expected


def test_no_figures_say_nothing() -> None:
    assert against_chance({}, "a leak")[0] is None
