"""A model that does not serve sees no more cells at once than it takes, and only threads of its own are put behind."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from phenostream.daemon import priority
from phenostream.daemon.swap.candidate import Candidate, Race
from phenostream.daemon.swap.shadow import Sample
from phenostream.engine.backends.fake import FakeBackend
from tests.daemon.conftest import toy_model
from tests.daemon.toy_engines import checked


def candidate(max_batch: int) -> Candidate:
    made = toy_model(checked(FakeBackend(max_batch=max_batch), "fake"), max_batch=max_batch)
    return Candidate(made)


def sample(cells: int) -> Sample:
    images = np.random.default_rng(1).random((cells, 4, 28, 28), np.float32)
    background = np.full((cells, 4), 0.5, np.float32)
    return Sample(images, background, FakeBackend().infer(images, background))


@pytest.mark.parametrize(
    ("behind", "max_batch", "most"), [(True, 16, 16), (True, 64, 32), (False, 4, 4)]
)
def test_a_piece_is_never_larger_than_a_batch_of_the_model(
    behind: bool, max_batch: int, most: int
) -> None:
    one = candidate(max_batch)
    one.behind = behind
    seen = one.see(sample(64))
    assert seen is not None
    said, other = seen
    assert len(said) == len(other) <= most
    np.testing.assert_array_equal(said.marker_z, other.marker_z)


def test_two_models_are_timed_with_a_batch_that_both_take() -> None:
    race = Race(candidate(64), candidate(4), sample(64))
    race.run()
    assert race.pairs == 1
    assert 0 < race.ratio < float("inf")


@pytest.mark.skipif(
    not priority.may_be_behind(), reason="this process may not make a thread less nice again"
)
def test_a_number_that_belongs_to_another_process_by_now_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        before = os.getpriority(os.PRIO_PROCESS, other.pid)
        one = Candidate(replace(candidate(8).model, threads=frozenset({other.pid})))
        one.step_back()
        assert os.getpriority(os.PRIO_PROCESS, other.pid) == before
        os.setpriority(os.PRIO_PROCESS, other.pid, before + 1)
        one.step_forward()
        assert os.getpriority(os.PRIO_PROCESS, other.pid) == before + 1
