"""Whoever calls a backend beside the frames gets its answer, its error, or gives up; never two of them."""

import threading

import numpy as np
import pytest

from phenostream.daemon.swap.patient_call import Late, patient_call
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import Outputs


def answer() -> Outputs:
    return FakeBackend().infer(
        np.full((2, 4, 28, 28), 0.5, np.float32), np.full((2, 4), 0.5, np.float32)
    )


def never() -> None:
    raise AssertionError("it was not given up on")


def test_an_answer_in_time_is_the_answer() -> None:
    assert len(patient_call(answer, 20.0, never)) == 2


def test_an_error_is_raised_where_it_was_asked() -> None:
    def fail() -> Outputs:
        raise EngineFault("gone")

    with pytest.raises(EngineFault, match="gone"):
        patient_call(fail, 20.0, never)


def test_a_call_that_hangs_is_given_up_on_and_told_when_it_returns() -> None:
    go_on, returned = threading.Event(), threading.Event()

    def hang() -> Outputs:
        assert go_on.wait(20)
        return answer()

    with pytest.raises(Late):
        patient_call(hang, 0.1, returned.set)
    assert not returned.is_set()
    go_on.set()
    assert returned.wait(20)
