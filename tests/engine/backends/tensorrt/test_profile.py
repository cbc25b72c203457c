"""Every batch has a bucket, every bucket a profile that holds it, and the plan is the one that was built beforehand."""

import pytest

from phenostream.engine.backends.tensorrt.library import Library
from phenostream.engine.backends.tensorrt.profile import (
    BUCKETS,
    buckets_for,
    checked_buckets,
    profiles_of,
    used_buckets,
)
from phenostream.engine.errors import BadConfig

TENSORRT = Library("tensorrt", None, "10.0")
RTX = Library("tensorrt_rtx", None, "1.7")


@pytest.mark.parametrize("library", [TENSORRT, RTX])
@pytest.mark.parametrize("buckets", [BUCKETS, (1,), (8, 64)])
def test_every_bucket_is_inside_a_profile(library: Library, buckets: tuple[int, ...]) -> None:
    profiles = profiles_of(library, buckets)
    for bucket in buckets:
        assert any(profile.least <= bucket <= profile.most for profile in profiles)
    for profile in profiles:
        assert profile.least <= profile.best <= profile.most
        assert profile.shapes("images")[1] == (profile.best, 4, 28, 28)
        assert profile.shapes("background")[2] == (profile.most, 4)


def test_tensorrt_gets_exact_shapes_and_rtx_one_span() -> None:
    assert [(p.least, p.best, p.most) for p in profiles_of(TENSORRT, (1, 8))] == [
        (1, 1, 1),
        (8, 8, 8),
    ]
    assert [(p.least, p.most) for p in profiles_of(RTX, BUCKETS)] == [(1, 1024)]


@pytest.mark.parametrize(
    ("max_batch", "used"),
    [(1, (1,)), (2, (1, 8)), (8, (1, 8)), (256, (1, 8, 32, 128, 512)), (1024, BUCKETS)],
)
def test_one_plan_serves_every_usual_max_batch(max_batch: int, used: tuple[int, ...]) -> None:
    assert buckets_for(max_batch) == BUCKETS
    assert used_buckets(BUCKETS, max_batch) == used


def test_a_larger_batch_gets_a_bucket_of_its_own() -> None:
    assert buckets_for(2000) == (*BUCKETS, 2000)
    assert used_buckets(buckets_for(2000), 2000)[-1] == 2000


@pytest.mark.parametrize(
    ("buckets", "says"),
    [
        ((), "0 of them, allowed 1 to 16"),
        (tuple(range(1, 18)), "17 of them"),
        ((0, 1), "0 is out of range, allowed 1 to 4096"),
        ((1, 5000), "5000 is out of range"),
        ((8, 1), "8,1: allowed in rising order"),
        ((8, 8), "each once"),
    ],
)
def test_impossible_buckets_are_refused(buckets: tuple[int, ...], says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        checked_buckets(buckets)
