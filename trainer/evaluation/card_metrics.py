"""The metrics of a card, and so of a bundle's manifest, from an evaluation: names a reader of bundles knows.

A figure without an interval is left out: a manifest's metric has both ends. Where the headline is refused there are
none at all: a card must not show figures that a report would not.
"""

import logging
from collections.abc import Iterator

from phenostream.engine.manifest import ACCURACY_METRIC, COVERAGE_METRIC, Metric
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import (
    CalibrationFigures,
    Classification,
    MarkerFigures,
    Outliers,
)

logger = logging.getLogger(__name__)

Named = Iterator[tuple[str, Figure | None]]
_DIGITS = 4


def card_metrics(evaluation: Evaluation, data: str) -> tuple[Metric, ...]:
    """Every figure that a card keeps.

    Args:
        evaluation: Of the model the card is of.
        data: What the cells are; simulated cells must say "synthetic".
    """
    if evaluation.headline.refusal is not None:
        logger.warning("%s: no metrics on the card: %s", data, evaluation.headline.refusal)
        return ()
    return tuple(
        Metric(
            name=name,
            value=round(figure.value, _DIGITS),
            low=round(figure.low, _DIGITS),
            high=round(figure.high, _DIGITS),
            n=figure.n,
            data=data,
        )
        for name, figure in _named(evaluation)
        if figure is not None and figure.low is not None and figure.high is not None
    )


def _named(evaluation: Evaluation) -> Named:
    if evaluation.classification is not None:
        yield from _classes(evaluation.classification)
    if evaluation.calibration is not None:
        yield from _probabilities(evaluation.calibration)
    if evaluation.outliers is not None:
        yield from _outliers(evaluation.outliers)
    for marker in evaluation.markers:
        yield from _marker(marker)


def _classes(found: Classification) -> Named:
    yield "class accuracy", found.accuracy
    yield ACCURACY_METRIC, found.accuracy_rejected_wrong
    yield "balanced accuracy", found.balanced_accuracy
    yield "macro F1", found.macro_f1
    for one in found.classes:
        yield f"recall {one.name}", one.recall


def _probabilities(found: CalibrationFigures) -> Named:
    yield "ECE before temperature", found.before.ece
    yield "ECE", found.after.ece
    yield "Brier score", found.after.brier
    if found.sets is not None:
        yield "class set coverage", found.sets.coverage
        yield "classes per set", found.sets.mean_size


def _outliers(found: Outliers) -> Named:
    if found.together is not None:
        yield "reject AUROC", None if found.together.reject is None else found.together.reject.auroc
        yield (
            "out-of-distribution AUROC",
            None if found.together.ood is None else found.together.ood.auroc,
        )
    yield "out-of-distribution white", found.white_flagged
    for name, figure in found.rejected_by_class.items():
        yield f"rejected {name}", figure
    for kind in found.kinds:
        yield f"rejected {kind.name}", None if kind.reject is None else kind.reject.above_threshold
        yield f"out-of-distribution AUROC {kind.name}", None if kind.ood is None else kind.ood.auroc


def _marker(found: MarkerFigures) -> Named:
    log = found.log
    yield f"r {found.name}", log.r
    yield f"oracle class-mean r {found.name}", log.class_mean_r
    yield f"size-only r {found.name}", log.size_only_r
    yield f"linear r {found.name}", found.linear.r
    for inside in log.within:
        yield f"r {found.name} within {inside.name}", inside.r
        yield f"true size and maturity r {found.name} within {inside.name}", inside.oracle_r
    if found.intervals is not None:
        yield f"{COVERAGE_METRIC} {found.name}", found.intervals.coverage
        for one in found.intervals.by_class:
            yield f"coverage {found.name} within {one.name}", one.coverage
