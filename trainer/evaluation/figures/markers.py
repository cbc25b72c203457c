"""Figures on one marker, each beside what needs no skill within a class (SPEC g.4.3)."""

from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CLASSES, I32, Bool
from phenostream.trainer.evaluation.figures import moments, ranks
from phenostream.trainer.evaluation.figures.bootstrap import F64, Resamples
from phenostream.trainer.evaluation.figures.coverage import judge_intervals
from phenostream.trainer.evaluation.figures.marker_cells import Columns, MarkerCells
from phenostream.trainer.evaluation.figures.marker_scales import Scale
from phenostream.trainer.evaluation.figures.moments import PairSums
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import (
    MarkerFigures,
    MarkerPoints,
    ScaleFigures,
    WithinClass,
)

LEAST_CELLS: Final = 30
"""Inside a class, or above the floor: fewer give no r."""
_POINTS: Final = 1_000


def judge_marker(name: str, cells: MarkerCells, nominal: float | None) -> MarkerFigures | None:
    """The section of one marker.

    Args:
        name: Of the marker.
        cells: With valid targets of it.
        nominal: Promised coverage of the intervals; None of a model without any.

    Returns:
        None where not even an error can be told.
    """
    log, linear = (_judge_scale(cells, scale) for scale in ("log", "linear"))
    if log is None or linear is None:
        return None
    return MarkerFigures(
        name=name,
        n=len(cells),
        at_floor=float(cells.at_floor.mean()),
        log=log,
        linear=linear,
        intervals=None if nominal is None else judge_intervals(cells, nominal),
        points=_points(cells),
    )


def _judge_scale(cells: MarkerCells, scale: Scale) -> ScaleFigures | None:
    columns, resamples = cells.scales[scale], cells.resamples
    sums = PairSums.of(resamples, columns.predicted, columns.measured)
    error = resamples.figure(moments.rmse(sums))
    if error is None:
        return None
    return ScaleFigures(
        scale=scale,
        r=resamples.figure(moments.pearson(sums)),
        spearman=resamples.figure(ranks.spearman(resamples, columns.predicted, columns.measured)),
        r2=resamples.figure(moments.r_squared(sums)),
        rmse=error,
        ccc=resamples.figure(moments.concordance(sums)),
        r_above_floor=_r_above_floor(cells, columns),
        class_mean_r=_class_mean_r(cells, columns, cells.kind),
        predicted_class_mean_r=_class_mean_r(cells, columns, cells.called),
        size_only_r=_r(resamples, columns.size_only, columns.measured),
        partial_r=_partial_r(cells, columns),
        within=tuple(_within(cells, columns, kind) for kind in range(len(CLASSES))),
    )


def _r(resamples: Resamples, predicted: F64 | None, measured: F64) -> Figure | None:
    """Pearson of (N,) and (N,); None under `LEAST_CELLS`."""
    if predicted is None or len(measured) < LEAST_CELLS:
        return None
    return resamples.figure(moments.pearson(PairSums.of(resamples, predicted, measured)))


def _r_above_floor(cells: MarkerCells, columns: Columns) -> Figure | None:
    above = ~cells.at_floor
    if above.all():
        return None
    return _r(cells.resamples.select(above), columns.predicted[above], columns.measured[above])


def _class_mean_r(cells: MarkerCells, columns: Columns, label: I32) -> Figure | None:
    """Of the training mean of each cell's class; None where a class is unknown or has no mean."""
    if (label < 0).any():
        return None
    means = columns.class_means[label]
    return _r(cells.resamples, means if np.isfinite(means).all() else None, columns.measured)


def _partial_r(cells: MarkerCells, columns: Columns) -> Figure | None:
    if (cells.kind < 0).any() or len(cells) < LEAST_CELLS:
        return None
    parts = [
        PairSums.of(cells.resamples.select(own), columns.predicted[own], columns.measured[own])
        for own in (cells.kind == kind for kind in np.unique(cells.kind))
    ]
    return cells.resamples.figure(moments.partial(parts))


def _within(cells: MarkerCells, columns: Columns, kind: int) -> WithinClass:
    own: Bool = cells.kind == kind
    resamples, measured = cells.resamples.select(own), columns.measured[own]
    size_only = None if columns.size_only is None else columns.size_only[own]
    r = _r(resamples, columns.predicted[own], measured)
    return WithinClass(
        name=CLASSES[kind],
        n=int(own.sum()),
        r=r,
        oracle_r=_r(resamples, columns.oracle[kind], measured),
        size_only_r=_r(resamples, size_only, measured),
        beyond_class=r is not None and r.excludes_zero and r.value > 0,
    )


def _points(cells: MarkerCells) -> MarkerPoints:
    chosen = _even_choice(len(cells), _POINTS)
    log = cells.scales["log"]
    return MarkerPoints(
        predicted=tuple(log.predicted[chosen].round(3).tolist()),
        measured=tuple(log.measured[chosen].round(3).tolist()),
        kind=tuple(cells.kind[chosen].tolist()),
    )


def _even_choice(count: int, most: int) -> npt.NDArray[np.intp]:
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.intp)
