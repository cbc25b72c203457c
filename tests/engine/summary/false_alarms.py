"""How often a summary calls something changed that is not: `python -m tests.engine.summary.false_alarms`.

Two windows of one sample are compared, again and again. The tests take cells as independent, and hold their level where
they are; frames whose composition or focus varies by itself break that, and this tells by how much.
"""

import argparse
from dataclasses import dataclass
from typing import Final

import numpy as np

from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.summary.comparing import ALPHA, Baseline, with_comparisons
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000, help="of windows, for each row")
    pairs = parser.parse_args().pairs
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
