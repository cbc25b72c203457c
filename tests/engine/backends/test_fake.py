import threading

import numpy as np
import pytest

from phenostream.engine.backends.checked import CheckedBackend
from phenostream.engine.backends.fake import FakeBackend, FakeScript
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES


def crops(count: int, seed: int = 0) -> tuple[F32, F32]:
    rng = np.random.default_rng(seed)
    images = rng.uniform(0.2, 0.6, (count, 4, 28, 28)).astype(np.float32)
    return images, np.full((count, 4), 0.4, np.float32)


def test_the_fake_is_a_backend_with_all_outputs() -> None:
    backend: Backend = FakeBackend()
    outputs = backend.infer(*crops(5))
    for name, shape in OUTPUT_SHAPES.items():
        column = getattr(outputs, name)
        assert column.shape == (5, *shape)
        assert column.dtype == np.float32
    np.testing.assert_allclose(outputs.class_probability.sum(axis=1), 1, rtol=1e-6)


def test_the_fake_says_the_same_about_a_crop_in_any_batch() -> None:
    images, background = crops(9)
    whole = FakeBackend().infer(images, background)
    part = FakeBackend().infer(images[4:6], background[4:6])
    for name in OUTPUT_SHAPES:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[4:6])
    assert len(np.unique(whole.marker_z[:, 0])) == 9


def test_the_fake_fails_at_the_calls_it_was_told_to() -> None:
    backend = CheckedBackend(FakeBackend(FakeScript(fail_at=frozenset({2}))))
    backend.infer(*crops(1))
    with pytest.raises(EngineFault, match="told to fail at call 2"):
        backend.infer(*crops(1))
    backend.infer(*crops(1))


def test_outputs_that_are_not_finite_are_a_fault_that_names_the_output() -> None:
    backend = CheckedBackend(FakeBackend(FakeScript(nan_at=frozenset({1}))))
    with pytest.raises(EngineFault, match=r"^fake: marker_z is not finite for 3 of 3 crops$"):
        backend.infer(*crops(3))


@pytest.mark.parametrize("count", [0, 5])
def test_a_batch_out_of_range_is_refused(count: int) -> None:
    backend = CheckedBackend(FakeBackend(max_batch=4))
    with pytest.raises(EngineFault, match=rf"^fake: batch of {count} crops, allowed 1 to 4$"):
        backend.infer(*crops(count))


def test_the_fake_stalls_until_it_is_released() -> None:
    release, stalled = threading.Event(), threading.Event()
    backend = FakeBackend(FakeScript(stall_at=frozenset({1}), release=release, stalled=stalled))
    done = threading.Event()

    def call() -> None:
        backend.infer(*crops(1))
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    assert stalled.wait(10)
    backend.infer(*crops(1))  # the second call is not held up by the first
    assert not done.is_set()
    release.set()
    thread.join(10)
    assert done.is_set()
