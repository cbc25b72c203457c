"""Frames of made-up cells: columns as a result has them, with something shared by the cells of a frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.drift.frame import frame_values
from phenostream.engine.drift.sums import F64, Sums
from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.postprocess import CLASSIFIED, NO_CLASS, REJECTED
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.types import CLASSES, MARKERS

CONTEXT: Final = SummaryContext(
    classes=CLASSES,
    markers=MARKERS,
    marker_unit="a.u.",
    marker_transform=MarkerTransform(scale="log10", mean=(1, 1, 2, 2), sd=(0.5, 0.4, 0.3, 0.2)),
    half_width_z=None,
    interval_coverage=None,
    calibrated=True,
    model_synthetic=True,
    source_synthetic=True,
    model="toy 1",
)
ROWS: Final = 3 + 2 + 3 * 4 + 8 + 4


@dataclass(frozen=True, slots=True)
class Sample:
    """What frames are drawn from.

    Attributes:
        cells: Of a frame.
        shares: Of the classes.
        raised: z by which all markers lie higher.
        between: Sd of the mean z of a frame's cells.
        rejected: Share of the cells.
        feature: By which all projections lie higher, sd.
        level: Background of every shot.
    """

    cells: int = 40
    shares: tuple[float, float, float] = (0.3, 0.6, 0.1)
    raised: float = 0.0
    between: float = 0.1
    rejected: float = 0.2
    feature: float = 0.0
    level: float = 0.4


def columns_of(sample: Sample, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    """The columns of one frame."""
    cells = sample.cells
    kind = rng.choice(3, cells, p=sample.shares)
    rejected = rng.random(cells) < sample.rejected
    z = rng.normal(sample.raised + rng.normal(0, sample.between, 4), 1, (cells, 4))
    return {
        "status": np.where(rejected, REJECTED, CLASSIFIED).astype(np.uint8),
        "class": np.where(rejected, NO_CLASS, kind).astype(np.uint8),
        "class_probability": np.full((cells, 3), 0.8, np.float32),
        "marker_z": z.astype(np.float32),
        "ood": rng.random(cells) < 0.05,
    }


def values_of(sample: Sample, rng: np.random.Generator) -> tuple[F64, F64]:
    """One frame as the watch takes it."""
    columns = columns_of(sample, rng)
    classified = int((columns["status"] == CLASSIFIED).sum())
    shared = rng.normal(sample.feature, sample.between, 8)
    projected = rng.normal(shared, 1, (classified, 8))
    levels = {shot: sample.level * rng.normal(1, 0.01) for shot in ("left", "right", "top")}
    return frame_values(CONTEXT, columns, projected, levels)


def stream_of(sample: Sample, frames: int, seed: int) -> Iterator[tuple[F64, F64]]:
    """So many of them."""
    rng = np.random.default_rng(seed)
    return (values_of(sample, rng) for _ in range(frames))


def summed(sample: Sample, frames: int, seed: int) -> Sums:
    """Their sums."""
    sums = Sums(ROWS)
    for x, n in stream_of(sample, frames, seed):
        sums.add(x, n)
    return sums
