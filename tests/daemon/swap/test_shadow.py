"""An inference thread leaves a batch only where one is wanted, and never waits for whoever compares."""

import numpy as np

from phenostream.daemon.swap.shadow import Sample, Shadow
from phenostream.engine.backends.fake import FakeBackend
from tests.daemon.conftest import toy_model


def sample(cells: int) -> Sample:
    images = np.full((cells, 4, 28, 28), 0.5, np.float32)
    background = np.full((cells, 4), 0.5, np.float32)
    return Sample(images, background, FakeBackend().infer(images, background))


def test_nothing_is_kept_that_nobody_wants() -> None:
    shadow, model, other = Shadow(), toy_model(), toy_model()
    shadow.offer(model, sample(3), 0.1)
    assert shadow.take(0.0) is None
    shadow.watch(model)
    shadow.offer(other, sample(3), 0.1)
    assert shadow.take(0.0) is None
    assert shadow.pace.cell_s is None


def test_there_is_room_for_one_and_the_others_are_passed_over() -> None:
    shadow, model = Shadow(), toy_model()
    shadow.watch(model)
    first = sample(4)
    shadow.offer(model, first, 0.2)
    shadow.offer(model, sample(6), 0.3)
    assert shadow.passed_over == 1
    assert shadow.take(0.0) is first
    assert shadow.take(0.0) is None
    assert shadow.pace.cell_s == 0.05  # of all batches, also of those that were passed over
    shadow.watch(model)
    assert (shadow.passed_over, shadow.pace.cells) == (0, 0)
