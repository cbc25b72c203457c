"""How often a summary calls something changed that is not: `python -m tests.engine.summary.false_alarms`.

First how far the normal approximations are from the level, computed exactly. Then two windows of one sample are
compared, again and again: the tests take cells as independent, and hold their level where they are; frames whose
composition or focus varies by itself break that, and this tells by how much.
"""

import argparse
from dataclasses import dataclass
from itertools import product
from math import ceil, comb, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from scipy import stats

from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.summary.comparing import (
    ALPHA,
    Baseline,
    share_test,
    with_comparisons,
)
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import wilson_interval
from phenostream.engine.summary.window import WindowStatistics
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
    """

    share_sd: float
    marker_sd: float
    frames: int
    cells: int


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


def window(sample: Sample, rng: np.random.Generator) -> WindowStatistics:
    """One window of white cells, all its frames counted in one go."""
    frames, cells = sample.frames, sample.cells
    shares = np.tile(SHARES, (frames, 1))
    if sample.share_sd:
        shares = rng.dirichlet(np.array(SHARES) * (0.25 / sample.share_sd**2 - 1), frames)
    ends = shares.cumsum(axis=1)[:, None, :2]
    kind = (rng.random((frames, cells, 1)) > ends).sum(axis=2)
    z = rng.normal(size=(frames, cells, 4)) + rng.normal(0, sample.marker_sd, (frames, 1, 4))
    n = frames * cells
    statistics = WindowStatistics(CONTEXT)
    statistics.add(
        {
            "status": np.zeros(n, np.uint8),
            "class": kind.reshape(n).astype(np.uint8),
            "class_probability": np.full((n, 3), 0.8, np.float32),
            "marker_z": z.reshape(n, 4).astype(np.float32),
            "ood": rng.random(n) < 0.05,
        }
    )
    return statistics


def alarms(sample: Sample, pairs: int, seed: int = 0) -> int:
    """How many of so many pairs of windows are called changed in anything."""
    rng, found = np.random.default_rng(seed), 0
    for _ in range(pairs):
        now, before = window(sample, rng), window(sample, rng)
        told = with_comparisons(now.facts(), now, [Baseline("previous", before)])
        found += told.comparisons[0].changed
    return found


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
    parser.add_argument("--pairs", type=int, default=1000, help="of windows, for each row")
    pairs = parser.parse_args().pairs
    print(f"false alarms of one test, as a multiple of its level {LEVEL:.2g}")  # noqa: T201
    for totals in TOTALS:
        worst = max(share_level(totals, rate) for rate in RATES) / LEVEL
        ranks = f"{rank_level(totals) / LEVEL:.2f}" if totals[0] * totals[1] <= 50_000 else "-"
        print(  # noqa: T201
            f"{totals[0]:5d} and {totals[1]:4d} cells: share {worst:.2f} at the worst rate, ranks {ranks}"
        )
    print(f"summaries that call something changed, of {pairs} without a change; level {ALPHA:g}")  # noqa: T201
    for sample in SAMPLES:
        found = alarms(sample, pairs)
        low, high = wilson_interval(found, pairs)
        print(  # noqa: T201
            f"{sample.frames:4d} frames of {sample.cells:3d} cells, between frames: shares ± {sample.share_sd:g}, "
            f"markers ± {sample.marker_sd:g} sd: {found / pairs:.3f} [{low:.3f}, {high:.3f}]"
        )


if __name__ == "__main__":
    main()
