"""How often a summary calls something changed that is not: `python -m tests.engine.summary.false_alarms`.

First how far the normal approximations are from the level, computed exactly. Then two windows of one sample are
compared, again and again, by the tests that take cells as independent, and as a summary does it, which asks also
whether a change stands out against the spread between frames. And what that costs where something did change.
"""

import argparse
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, comb, sqrt
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.summary.comparing import (
    ALPHA,
    Baseline,
    adjusted,
    rank_test,
    share_test,
    with_comparisons,
)
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import wilson_interval
from phenostream.engine.summary.window import Tally, WindowStatistics
from phenostream.engine.types import CLASSES, MARKERS

CONTEXT: Final = SummaryContext(
    classes=CLASSES,
    markers=MARKERS,
    marker_unit="a.u.",
    marker_transform=MarkerTransform(scale="log10", mean=(1, 1, 2, 2), sd=(0.5, 0.4, 0.3, 0.2)),
    half_width_z=(1.0, 1.0, 1.0, 2.0),
    interval_coverage=0.9,
    calibrated=True,
    model_synthetic=True,
    source_synthetic=True,
    model="demo 1",
)
SHARES: Final = (0.3, 0.6, 0.1)
LEVEL: Final = ALPHA / 17
"""Of the first of 17 tests, which is what one comparison has."""
TOTALS: Final = (
    *((30, 30), (30, 300), (30, 3000), (50, 1000), (100, 100)),
    *((100, 3000), (300, 300), (300, 3000), (1000, 1000)),
)
"""Cells on the two sides."""
RATES: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class Sample:
    """What every window is drawn from.

    Attributes:
        share_sd: Between frames, of a class that half of the cells are of; 0: cells are independent.
        marker_sd: Between frames, of the mean z of all cells of a frame, of each marker; 0: likewise.
        frames: Of a window.
        cells: Of a frame.
        moved: Points of the share that the first class has more of and the second less.
        raised: z by which all markers of all cells are higher.
    """

    share_sd: float
    marker_sd: float
    frames: int
    cells: int
    moved: float = 0.0
    raised: float = 0.0


SAMPLES: Final = (
    Sample(0.0, 0.0, 10, 50),
    Sample(0.0, 0.0, 100, 50),
    Sample(0.05, 0.0, 10, 50),
    Sample(0.05, 0.0, 100, 50),
    Sample(0.1, 0.0, 100, 50),
    Sample(0.0, 0.1, 10, 50),
    Sample(0.0, 0.1, 100, 50),
    Sample(0.05, 0.1, 100, 200),
)
"""What windows are drawn from."""
CHANGES: Final = ((0.0, 0.0), (10.0, 0.0), (0.0, 0.2))
"""Points of cells that go into another class, and sd by which markers rise; none comes first."""


def window(sample: Sample, rng: np.random.Generator) -> WindowStatistics:
    """One window of white cells."""
    statistics = WindowStatistics(CONTEXT)
    for frame in columns(sample, rng):
        statistics.add(frame)
    return statistics


def columns(sample: Sample, rng: np.random.Generator) -> list[dict[str, npt.NDArray[Any]]]:
    """The result columns of each frame of a window."""
    frames, cells = sample.frames, sample.cells
    mean = np.array(SHARES) + sample.moved / 100 * np.array([1, -1, 0])
    shares = np.tile(mean, (frames, 1))
    if sample.share_sd:
        shares = rng.dirichlet(mean * (0.25 / sample.share_sd**2 - 1), frames)
    ends = shares.cumsum(axis=1)[:, None, :2]
    kind = (rng.random((frames, cells, 1)) > ends).sum(axis=2)
    z = rng.normal(size=(frames, cells, 4))
    z += rng.normal(0, sample.marker_sd, (frames, 1, 4)) + sample.raised
    unusual = rng.random((frames, cells)) < 0.05
    return [
        {
            "status": np.zeros(cells, np.uint8),
            "class": kind[frame].astype(np.uint8),
            "class_probability": np.full((cells, 3), 0.8, np.float32),
            "marker_z": z[frame].astype(np.float32),
            "ood": unusual[frame],
        }
        for frame in range(frames)
    ]


def alarms(
    sample: Sample, pairs: int, seed: int = 0, *, moved: float = 0, raised: float = 0
) -> tuple[int, int]:
    """How many of so many pairs of windows are called changed in anything, the later one moved and raised.

    Returns:
        By the tests that take cells as independent, alone; and by a summary.
    """
    rng, alone, found = np.random.default_rng(seed), 0, 0
    later = replace(sample, moved=moved, raised=raised)
    for _ in range(pairs):
        now, before = window(later, rng), window(sample, rng)
        told = with_comparisons(now.facts(), now, [Baseline("previous", before)])
        found += told.comparisons[0].changed
        alone += min(adjusted(cells_alone(before.tally, now.tally))) <= ALPHA
    return alone, found


def cells_alone(before: Tally, now: Tally) -> list[float]:
    """What the tests say that take cells as independent; nothing is rejected here."""
    totals = [int(one.count.sum()) for one in (before, now)]
    shares = [
        *zip(before.count.tolist(), now.count.tolist(), strict=True),
        (before.unusual, now.unusual),
    ]
    told = [share_test((there, totals[0]), (here, totals[1])) for there, here in shares]
    told += [rank_test(before.z[k, m], now.z[k, m])[1] for k, m in np.ndindex(before.z.shape[:2])]
    return [p for p in told if p is not None]


def share_level(totals: tuple[int, int], rate: float, level: float = LEVEL) -> float:
    """Probability that the test of shares alarms at this level where both rates are one."""
    weights = [stats.binom.pmf(np.arange(n + 1), n, rate) for n in totals]
    likely = [np.flatnonzero(one > 1e-9).tolist() for one in weights]
    alarmed = 0.0
    for a, b in product(*likely):
        p = share_test((a, totals[0]), (b, totals[1]))
        alarmed += weights[0][a] * weights[1][b] if p is not None and p <= level else 0.0
    return float(alarmed)


def rank_level(totals: tuple[int, int], level: float = LEVEL) -> float:
    """Probability that the rank test alarms at this level where all values are of one kind and none are tied."""
    few, many = sorted(totals)
    ways = [0] * (few * many + 1)  # of each U: the Gaussian binomial coefficient, in whole numbers
    ways[0] = 1
    for step in range(1, few + 1):
        for u in range(len(ways) - 1, many + step - 1, -1):
            ways[u] -= ways[u - many - step]
        for u in range(step, len(ways)):
            ways[u] += ways[u - step]
    sd = sqrt(few * many * (few + many + 1) / 12)
    least = few * many / 2 + NormalDist().inv_cdf(1 - level / 2) * sd
    return 2 * sum(ways[ceil(least) :]) / comb(few + many, few)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pairs", type=int, default=1000, help="of windows, for each row; a fifth with a change"
    )
    pairs = parser.parse_args().pairs
    print(f"false alarms of one test, as a multiple of its level {LEVEL:.2g}")  # noqa: T201
    for totals in TOTALS:
        worst = max(share_level(totals, rate) for rate in RATES) / LEVEL
        ranks = f"{rank_level(totals) / LEVEL:.2f}" if totals[0] * totals[1] <= 50_000 else "-"
        print(  # noqa: T201
            f"{totals[0]:5d} and {totals[1]:4d} cells: share {worst:.2f} at the worst rate, ranks {ranks}"
        )
    print("called changed in something: by cells alone, and also against the frames' spread")  # noqa: T201
    for moved, raised in CHANGES:
        some = pairs if not moved and not raised else max(1, pairs // 5)
        print(  # noqa: T201
            f"{some} pairs, the later with {moved:g} points of its cells in another class and markers higher by "
            f"{raised:g} sd; level {ALPHA:g}"
        )
        for sample in SAMPLES:
            found = alarms(sample, some, moved=moved, raised=raised)
            print(f"{named(sample)}: {' '.join(rate(one, some) for one in found)}", flush=True)  # noqa: T201


def named(sample: Sample) -> str:
    """What varies in it, as the head of a row."""
    return (
        f"{sample.frames:4d} frames of {sample.cells:3d} cells, between frames: shares ± {sample.share_sd:g}, "
        f"markers ± {sample.marker_sd:g} sd"
    )


def rate(found: int, pairs: int) -> str:
    """A share with its interval."""
    low, high = wilson_interval(found, pairs)
    return f"{found / pairs:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
