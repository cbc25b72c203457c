"""Marker intervals against what was measured: do they hold what they promise, in every class, and how wide are they."""

import numpy as np

from phenostream.engine.types import CLASSES, Bool
from phenostream.trainer.evaluation.figures.bootstrap import F64, Resamples
from phenostream.trainer.evaluation.figures.marker_cells import MarkerCells
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import ClassInterval, IntervalFigures


def judge_intervals(cells: MarkerCells, nominal: float) -> IntervalFigures | None:
    """Coverage and width overall and per true class; None where nothing can be told."""
    low, high = cells.interval.astype(np.float64).T
    inside = (low <= cells.level) & (cells.level <= high)
    coverage, width = cells.resamples.share(inside), cells.resamples.mean(cells.width_z)
    width_unit = _median(cells.resamples, high - low)
    if coverage is None or width is None or width_unit is None:
        return None
    return IntervalFigures(
        nominal=nominal,
        coverage=coverage,
        width_z=width,
        width_unit=width_unit,
        by_class=tuple(_one_class(cells, inside, kind) for kind in range(len(CLASSES))),
    )


def _one_class(cells: MarkerCells, inside: Bool, kind: int) -> ClassInterval:
    own = cells.kind == kind
    resamples = cells.resamples.select(own)
    return ClassInterval(
        name=CLASSES[kind],
        n=int(own.sum()),
        coverage=resamples.share(inside[own]),
        width_z=resamples.mean(cells.width_z[own]),
    )


def _median(resamples: Resamples, values: F64) -> Figure | None:
    """Of (N,): the smallest value that half of a resample's weight is at or below."""
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")
    medians = []
    for weight in resamples.chunks():
        cumulative = np.cumsum(weight[:, order], axis=1)
        place = (cumulative < cumulative[:, -1:] / 2).sum(axis=1)
        medians.append(values[order][np.minimum(place, len(values) - 1)])
    return resamples.figure(np.concatenate(medians))
