"""The spread between frames against the sums written out, and against Welch's test of the frames themselves."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phenostream.engine.summary.histogram import BINS, LIMIT, STEP
from phenostream.engine.summary.spread import REJECTED_ROW, UNUSUAL_ROW, Spread, spread_test

Frame = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int, int]


def frames_of(rng: np.random.Generator, sizes: list[int], share: float, z: float) -> list[Frame]:
    """Class and steps of each cell, rejected and unusual cells; the share and the marker vary by frame."""
    told = []
    for n in sizes:
        kind = (rng.random(n) < share + rng.normal(0, 0.05)).astype(np.int64)
        mean = (z + rng.normal(0, 0.1) + LIMIT) / STEP
        step = np.clip(rng.normal(mean, 100, (n, 1)), 0, BINS - 1).astype(np.int64)
        told.append((kind, step, int(rng.integers(0, 5)), int(rng.integers(0, n + 1))))
    return told


class Counted:
    """Two classes and one marker of some frames."""

    def __init__(self, frames: list[Frame]) -> None:
        self.spread = Spread(2, 1)
        self.z = np.zeros((2, 1, BINS), np.int64)
        for kind, step, rejected, unusual in frames:
            count = np.bincount(kind, minlength=2)
            self.spread.add(count, rejected, unusual, (kind, step))
            np.add.at(self.z, (kind, np.zeros_like(kind), step[:, 0]), 1)
        self.cells = sum(len(kind) for kind, *_ in frames)
        self.of_class = int(sum(kind.sum() for kind, *_ in frames))


def test_frames_of_one_size_are_compared_as_welch_compares_their_shares() -> None:
    rng = np.random.default_rng(1)
    sides = [frames_of(rng, [60] * many, share, 0.0) for many, share in ((12, 0.5), (7, 0.56))]
    estimates = []
    for frames in sides:
        counted = Counted(frames)
        estimates.append(counted.spread.share(1, counted.of_class, counted.cells))
    there, here = ([kind.mean() for kind, *_ in frames] for frames in sides)
    judge = stats.ttest_ind(here, there, equal_var=False)
    up = bool(np.mean(here) > np.mean(there))
    assert spread_test(*estimates, up=up) == pytest.approx(judge.pvalue, rel=1e-7)
    assert spread_test(*estimates, up=not up) == 1.0


def test_a_variance_is_that_of_the_residuals_written_out() -> None:
    rng = np.random.default_rng(2)
    frames = frames_of(rng, [10, 90, 40, 3, 60, 0, 70], 0.4, 1.0)
    counted = Counted(frames)
    x = np.array([kind.sum() for kind, *_ in frames], np.float64)
    n = np.array([len(kind) for kind, *_ in frames], np.float64)
    s = np.array([float((step[:, 0] - BINS // 2) @ kind) for kind, step, *_ in frames])
    rejected = np.array([one[2] for one in frames], np.float64)
    unusual = np.array([one[3] for one in frames], np.float64)
    told = [
        (counted.spread.share(1, counted.of_class, counted.cells), x, n),
        (
            counted.spread.share(REJECTED_ROW, int(rejected.sum()), int((n + rejected).sum())),
            rejected,
            n + rejected,
        ),
        (counted.spread.share(UNUSUAL_ROW, int(unusual.sum()), counted.cells), unusual, n),
        (counted.spread.marker(1, 0, counted.z[1, 0]), s, x),
    ]
    for estimate, part, whole in told:
        assert estimate is not None
        value, weight = part.sum() / whole.sum(), whole / whole.sum()
        residual = np.sum((part - value * whole) ** 2) / whole.sum() ** 2
        assert estimate.value == pytest.approx(value)
        assert estimate.frames == pytest.approx(1 / np.sum(weight**2))
        assert estimate.variance == pytest.approx(residual / (1 - np.sum(weight**2)))


def test_two_even_frames_or_one_that_holds_nearly_all_tell_no_spread() -> None:
    rng = np.random.default_rng(3)
    for sizes in ([50, 50], [1000, *[1] * 20], [], [0, 0, 0, 0]):
        counted = Counted(frames_of(rng, sizes, 0.5, 0.0))
        assert counted.spread.share(1, counted.of_class, counted.cells) is None
        assert counted.spread.marker(1, 0, counted.z[1, 0]) is None
    even = Counted(frames_of(rng, [50] * 3, 0.5, 0.0))
    enough = even.spread.share(1, even.of_class, even.cells)
    assert enough is not None
    assert enough.frames == pytest.approx(3)
    assert spread_test(enough, None, up=True) == spread_test(None, enough, up=True) == 1.0
    assert spread_test(enough, enough, up=True) == 1.0


def test_frames_that_are_all_alike_leave_the_judgement_to_the_cells() -> None:
    rng = np.random.default_rng(4)
    one, other = (Counted(frames_of(rng, [50], share, 0.0) * 4) for share in (0.3, 0.7))
    pair = [side.spread.share(1, side.of_class, side.cells) for side in (one, other)]
    assert spread_test(*pair, up=True) == 0.0


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 30), max_size=12), seed=st.integers(0, 99))
def test_sums_of_real_frames_agree_with_their_cells(sizes: list[int], seed: int) -> None:
    frames = frames_of(np.random.default_rng(seed), sizes, 0.5, 0.0)
    counted = Counted(frames)
    rejected, unusual = sum(one[2] for one in frames), sum(one[3] for one in frames)
    parts = [counted.cells - counted.of_class, counted.of_class, rejected, unusual]
    wholes = [counted.cells, counted.cells, counted.cells + rejected, counted.cells]
    agree = counted.spread.agrees
    assert agree(len(frames), parts, wholes, counted.z)
    if counted.cells:
        counted.spread.shares[0, 2] *= 1e4
        assert not agree(len(frames), parts, wholes, counted.z)
