"""The figures that matter, over seeds and between protocols: mean, standard deviation, and differences."""

import math
import statistics
from collections.abc import Iterable, Sequence

from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import MarkerFigures
from phenostream.trainer.evaluation.schema.reproduction import Gap, Reproduction, SeedSpread

ACCURACY = "accuracy"
CD16_LINEAR_R = "r CD16, linear"
_NEIGHBOURS = (("paper", "clean"), ("clean", "fov"))
"""Protocols whose difference says how much of a number is the split (SPEC g.4)."""


def spread_of(evaluations: Sequence[Evaluation]) -> tuple[SeedSpread, ...]:
    """Mean and sample standard deviation of each figure that any of the seeds has."""
    columns = [_figures(one) for one in evaluations]
    names = dict.fromkeys(name for column in columns for name in column)
    found = []
    for name in names:
        values = tuple(column.get(name) for column in columns)
        known = [value for value in values if value is not None]
        sd = statistics.stdev(known) if len(known) > 1 else None
        found.append(SeedSpread(name=name, mean=statistics.fmean(known), sd=sd, values=values))
    return tuple(found)


def gaps_between(runs: Sequence[Reproduction]) -> tuple[Gap, ...]:
    """Paper minus clean and clean minus fov, for the figures that both have.

    Args:
        runs: Of one data set and one length, one for each protocol.
    """
    by_protocol = {run.protocol: {one.name: one for one in run.spread} for run in runs}
    found = []
    for more, less in _NEIGHBOURS:
        if more not in by_protocol or less not in by_protocol:
            continue
        other = by_protocol[less]
        for name, one in by_protocol[more].items():
            if name in other:
                found.append(_gap(f"{more} minus {less}", one, other[name]))
    return tuple(found)


def _gap(name: str, one: SeedSpread, other: SeedSpread) -> Gap:
    known = one.sd is not None and other.sd is not None
    sd = math.hypot(one.sd or 0.0, other.sd or 0.0) if known else None
    return Gap(name=name, figure=one.name, value=one.mean - other.mean, sd=sd)


def _figures(evaluation: Evaluation) -> dict[str, float]:
    """The figures of one seed by name, without those it cannot give."""
    found = dict(_class_figures(evaluation))
    for marker in evaluation.markers:
        found |= dict(_marker_figures(marker))
    return {name: figure.value for name, figure in found.items() if figure is not None}


def _class_figures(evaluation: Evaluation) -> Iterable[tuple[str, Figure | None]]:
    if evaluation.classification is not None:
        yield ACCURACY, evaluation.classification.accuracy
        yield "balanced accuracy", evaluation.classification.balanced_accuracy
        yield "macro F1", evaluation.classification.macro_f1
    if evaluation.calibration is not None:
        yield "ECE", evaluation.calibration.after.ece


def _marker_figures(marker: MarkerFigures) -> Iterable[tuple[str, Figure | None]]:
    for scale in (marker.log, marker.linear):
        yield f"r {marker.name}, {scale.scale}", scale.r
        yield f"class-mean r {marker.name}, {scale.scale}", scale.class_mean_r
    for inside in marker.log.within:
        yield f"r {marker.name} within {inside.name}, log", inside.r
    if marker.intervals is not None:
        yield f"interval coverage {marker.name}", marker.intervals.coverage
