"""What a timing counts, and that a caller that fails is not mistaken for a slow one."""

import threading

import pytest

from phenostream.daemon.tuning.timing import time_backend, time_one_cell
from phenostream.engine.backends.fake import FakeBackend, FakeScript
from phenostream.engine.errors import EngineFault


def test_every_stream_calls_and_all_cells_are_counted() -> None:
    callers: set[int] = set()

    class Noting(FakeBackend):
        def infer(self, images, background):  # type: ignore[no-untyped-def]  # as its base
            callers.add(threading.get_ident())
            return super().infer(images, background)

    cells_per_s, cpu_s = time_backend(Noting(), 2, 4, 0.05)
    assert len(callers) == 3  # the first call of all is of this thread, to warm up
    assert cells_per_s > 0
    assert cpu_s > 0


def test_a_call_that_fails_is_raised_and_ends_all_callers() -> None:
    before = threading.active_count()
    with pytest.raises(EngineFault, match="told to fail"):
        time_backend(FakeBackend(FakeScript(fail_at=frozenset({3}))), 2, 4, 60.0)
    assert threading.active_count() == before


def test_a_lone_cell_is_timed_once_a_call() -> None:
    backend = FakeBackend()
    assert len(time_one_cell(backend, 5)) == 5
    assert backend.calls == 6
