"""The limit is raised as far as it may be; who comes near it is told."""

import os
import resource
from collections.abc import Iterator

import pytest

from phenostream.daemon.descriptors import (
    ENOUGH,
    allow_descriptors,
    descriptor_is_free,
    descriptors_fault,
)

LIMIT = resource.RLIMIT_NOFILE


@pytest.fixture(autouse=True)
def limits() -> Iterator[tuple[int, int]]:
    """This process's limits, put back at the end."""
    before = resource.getrlimit(LIMIT)
    yield before
    resource.setrlimit(LIMIT, before)


def test_the_limit_is_raised_to_the_hard_one_or_to_what_is_enough(limits: tuple[int, int]) -> None:
    hard = limits[1]
    resource.setrlimit(LIMIT, (256, hard))
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    assert allow_descriptors() == resource.getrlimit(LIMIT)[0] == wanted
    assert allow_descriptors() == wanted


def test_a_process_near_its_limit_says_so_and_one_far_from_it_does_not(
    limits: tuple[int, int],
) -> None:
    allow_descriptors()
    assert descriptors_fault() is None
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(LIMIT, (used + 1, limits[1]))
    fault = descriptors_fault()
    assert fault is not None
    assert fault.endswith(f"of {used + 1} descriptors are in use")
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    assert descriptor_is_free()
    resource.setrlimit(LIMIT, (min(highest, 3), limits[1]))
    told, free = descriptors_fault(), descriptor_is_free()
    resource.setrlimit(LIMIT, limits)
    assert not free
    assert told is not None
    assert "is free: Too many open files" in told
