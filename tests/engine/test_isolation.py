"""Crops that spoil a batch are found within a bounded number of calls; the others get their numbers."""

import itertools

import numpy as np
import pytest

from phenostream.engine.backends.checked import CheckedBackend, PoisonedRows
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.errors import EngineFault
from phenostream.engine.isolation import MOST_CALLS, isolate
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

IMAGES = np.random.default_rng(5).random((32, 4, 28, 28), np.float32)
GREY = np.full((32, 4), 0.5, np.float32)
ALONE = FakeBackend().infer(IMAGES, GREY)


class Runtime:
    """A fake that some crops upset; `calls` counts."""

    def __init__(self, raising: set[int], poisoned: set[int]) -> None:
        self.raising, self.poisoned, self.calls = raising, poisoned, 0

    def infer(self, images: F32, background: F32) -> Outputs:
        self.calls += 1
        rows = [int(np.flatnonzero((image == IMAGES).all(axis=(1, 2, 3)))[0]) for image in images]
        if self.raising & set(rows):
            raise EngineFault("upset")
        outputs = FakeBackend().infer(images, background)
        outputs.ood_score[[row in self.poisoned for row in rows]] = np.nan
        finite = outputs.finite_rows()
        if not finite.all():
            raise PoisonedRows("poisoned", outputs, finite)
        return outputs


def isolated(runtime: Runtime, count: int, most_calls: int = MOST_CALLS) -> Outputs:
    images, grey = IMAGES[:count], GREY[:count]
    with pytest.raises(EngineFault) as told:
        runtime.infer(images, grey)
    runtime.calls = 0
    return isolate(runtime.infer, images, grey, told.value, most_calls)


def lost(outputs: Outputs) -> set[int]:
    finite = outputs.finite_rows()
    for name in OUTPUT_SHAPES:
        column = getattr(outputs, name)
        np.testing.assert_array_equal(
            column[finite], getattr(ALONE, name)[: len(outputs)][finite], name
        )
        assert np.isnan(column[~finite]).all()
    return set(np.flatnonzero(~finite).tolist())


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_set_of_crops_is_found_in_a_small_batch(count: int) -> None:
    rows = range(count)
    for size in range(1, count + 1):
        for bad in map(set, itertools.combinations(rows, size)):
            assert lost(isolated(Runtime(bad, set()), count)) == bad
            assert lost(isolated(Runtime(set(), bad), count)) == bad
            assert lost(isolated(Runtime(set(list(bad)[:1]), bad), count)) == bad


@pytest.mark.parametrize("bad", [set(range(32)), set(range(0, 32, 2)), {0, 31}])
def test_the_bound_is_enough_for_a_batch_of_the_default_size(bad: set[int]) -> None:
    runtime = Runtime(bad, set())
    assert lost(isolated(runtime, 32)) == bad
    assert runtime.calls <= 62 <= MOST_CALLS


def test_one_crop_that_raises_costs_two_calls_a_halving_and_one_that_is_poisoned_one() -> None:
    raising, poisoned = Runtime({9}, set()), Runtime(set(), {9})
    assert lost(isolated(raising, 32)) == lost(isolated(poisoned, 32)) == {9}
    assert (raising.calls, poisoned.calls) == (10, 1)


def test_what_was_not_reached_within_the_bound_is_lost_and_nothing_is_called_again() -> None:
    runtime = Runtime({9}, set())
    assert lost(isolated(runtime, 32, most_calls=3)) == set(range(8, 16))
    assert runtime.calls == 3


def test_a_checked_backend_tells_the_sound_rows() -> None:
    class Bad(FakeBackend):
        def infer(self, images: F32, background: F32) -> Outputs:
            outputs = super().infer(images, background)
            outputs.feature[1, 3] = -np.inf
            return outputs

    with pytest.raises(PoisonedRows, match="feature is not finite for 1 of 4 crops") as told:
        CheckedBackend(Bad()).infer(IMAGES[:4], GREY[:4])
    assert told.value.finite.tolist() == [True, False, True, True]
