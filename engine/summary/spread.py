"""How much frames differ, in a fixed amount of memory, and whether a difference stands out against that.

Cells of one frame share focus, light and what a donor's cells stick to: a frame is what was drawn, not a cell. A share,
or the mean of a marker over a class, is a ratio of two sums over frames, and its variance is that of the frames'
residuals (Rao and Scott, Biometrics 48, 1992, 577-585). Two such ratios are compared by a t test with the degrees of
freedom of Welch (Biometrika 34, 1947, 28-35). Frames are taken as independent of each other; nothing is assumed of the
cells in one. A frame is worth what it holds: n cells in all, with a sum of squares q over frames, are those of n n / q
even frames (Kish, Survey Sampling, 1965), which is the number of frames where they are even and less where some hold
most.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from phenostream.engine.summary.histogram import BINS, Histogram
from phenostream.engine.summary.student import tails

LEAST_FRAMES: Final = 3.0
"""Even frames on each side; of fewer, no spread can be told and no change is shown."""
REJECTED_ROW: Final = -2
UNUSUAL_ROW: Final = -1
_CENTRED: Final = np.arange(BINS, dtype=np.float64) - BINS // 2
_SLACK: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio of two sums over frames.

    Attributes:
        value: The one sum over the other.
        variance: Of the value, from the frames' residuals.
        frames: Even frames that the cells are worth.
    """

    value: float
    variance: float
    frames: float


class Spread:
    """Sums of squares and products over frames; whole numbers, so that they merge without loss up to 2^53.

    A row of shares is of x out of n cells of each frame: x of each class, then rejected, then unusual cells; n are the
    classified cells, and for the rejected also those.

    Attributes:
        shares: (C + 2, 3) sums of x x, x n and n n.
        markers: (C, M, 2) sums of s s and s x, where s is the sum of a marker over a frame's x cells of the class, in
            steps of the histogram from z = 0.
    """

    def __init__(self, classes: int, markers: int) -> None:
        """Start empty."""
        self.shares = np.zeros((classes + 2, 3), np.float64)
        self.markers = np.zeros((classes, markers, 2), np.float64)

    def add(
        self,
        count: npt.NDArray[np.int64],
        rejected: int,
        unusual: int,
        steps: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    ) -> None:
        """Add one frame.

        Args:
            count: (C,) cells of each class.
            rejected: Cells.
            unusual: Cells.
            steps: (N,) class of each classified cell and (N, M) steps of its markers.
        """
        kind, step = steps
        x = np.array([*count, rejected, unusual], np.float64)
        n = np.full(len(x), float(len(kind)))
        n[REJECTED_ROW] += rejected
        self.shares += np.stack([x * x, x * n, n * n], axis=1)
        of_class = (kind == np.arange(len(count))[:, None]).astype(np.float64)
        s = of_class @ (step - BINS // 2)
        self.markers += np.stack([s * s, s * count[:, None]], axis=2)

    def merge(self, other: Self) -> None:
        """Add that of other frames."""
        self.shares += other.shares
        self.markers += other.markers

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All of it, to be read or filled."""
        return self.shares, self.markers

    def share(self, row: int, part: int, whole: int) -> Estimate | None:
        """The share that a row is of, of so many cells in all; None of too few frames."""
        return ratio_over_frames(part, whole, self.shares[row])

    def marker(self, k: int, m: int, histogram: Histogram) -> Estimate | None:
        """The mean of a marker of a class, in steps; None of too few frames."""
        ss, sx = self.markers[k, m]
        total = float(np.dot(histogram, _CENTRED))
        squares = np.array([ss, sx, self.shares[k, 0]])
        return ratio_over_frames(total, int(histogram.sum()), squares)

    def agrees(self, frames: int, parts: list[int], wholes: list[int], z: Histogram) -> bool:
        """The sums can be of so many frames with these cells.

        Args:
            frames: All of them.
            parts: (C + 2) cells of each row.
            wholes: (C + 2) cells that those are of.
            z: (C, M, bins) histograms.
        """
        x, n = np.array(parts, np.float64), np.array(wholes, np.float64)
        rows = _possible(frames, x, n, self.shares) & _no_more(self.shares[:, 0], self.shares[:, 1])
        rows &= _no_more(self.shares[:, 1], self.shares[:, 2]) & _no_more(self.shares[:, 2], n * n)
        held = np.broadcast_to(self.shares[: len(z), None, :1], (*z.shape[:2], 1))
        sums = np.concatenate([self.markers, held], axis=2)
        cells = _possible(frames, z @ _CENTRED, z.sum(axis=2).astype(np.float64), sums)
        return bool(rows.all() and cells.all())


def spread_test(before: Estimate | None, now: Estimate | None, *, up: bool) -> float:
    """Two-sided probability of a difference as large as this between samples of the same frames.

    Args:
        before: There.
        now: Here.
        up: The direction that is to be shown: a difference in the other one does not show it.

    Returns:
        1 where one side has too few frames, or the difference is none or in the other direction.
    """
    if before is None or now is None:
        return 1.0
    difference = now.value - before.value
    if difference == 0 or (difference > 0) != up:
        return 1.0
    variance = before.variance + now.variance
    if variance <= 0:
        return 0.0
    return tails(difference / sqrt(variance), welch_freedom(before, now))


def welch_freedom(one: Estimate, other: Estimate) -> float:
    """Degrees of freedom of a t test of their difference (Welch 1947); one of them has a variance."""
    variance = one.variance + other.variance
    return 1 / sum((side.variance / variance) ** 2 / (side.frames - 1) for side in (one, other))


def ratio_over_frames(
    part: float, whole: float, squares: npt.NDArray[np.float64]
) -> Estimate | None:
    """A ratio of two sums over frames, with the variance of the frames' residuals (Rao and Scott 1992).

    Args:
        part: The sum of x.
        whole: The sum of n, 0 or more.
        squares: The sums of x x, x n and n n.

    Returns:
        None of frames worth fewer than `LEAST_FRAMES` even ones.
    """
    xx, xn, nn = (float(one) for one in squares)
    frames = whole * whole / nn if nn else 0.0
    if frames < LEAST_FRAMES:
        return None
    value = part / whole
    residual = max(0.0, xx - 2 * value * xn + value * value * nn)
    return Estimate(value, residual / whole / whole / (1 - 1 / frames), frames)


def _possible(
    frames: int,
    x: npt.NDArray[np.float64],
    n: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Sums x x, x n, n n on the last axis that Cauchy and Schwarz allow where the sums over frames are x and n."""
    xx, xn, nn = sums[..., 0], sums[..., 1], sums[..., 2]
    return _no_more(x * x, frames * xx) & _no_more(n * n, frames * nn) & _no_more(xn * xn, xx * nn)


def _no_more(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    allowed: npt.NDArray[np.bool_] = one <= other * (1 + _SLACK) + _SLACK
    return allowed
