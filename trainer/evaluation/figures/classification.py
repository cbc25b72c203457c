"""Figures on classes, from one table of true against called class per resample (SPEC g.4.2)."""

from dataclasses import dataclass

import numpy as np

from phenostream.engine.types import CLASSES, F32, I32, Bool
from phenostream.trainer.evaluation.figures import ranks
from phenostream.trainer.evaluation.figures.bootstrap import F64, Resamples, ratio
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import (
    ClassFigures,
    Classification,
    Confusion,
)


@dataclass(frozen=True, slots=True)
class CalledCells:
    """White test cells with what the model says of their class.

    Attributes:
        resamples: Of them.
        truth: (N,) int32, 0 to 2.
        called: (N,) int32.
        probability: (N, 3), calibrated.
        rejected: (N,) bool, or None of a model that rejects nothing.
    """

    resamples: Resamples
    truth: I32
    called: I32
    probability: F32
    rejected: Bool | None


def classify(cells: CalledCells) -> Classification | None:
    """The section; None of no cells."""
    right = cells.truth == cells.called
    accuracy = cells.resamples.share(right)
    if accuracy is None:
        return None
    table = class_table(cells.resamples, cells.truth, cells.called)
    figure = cells.resamples.figure
    kept = None if cells.rejected is None else cells.resamples.share(right & ~cells.rejected)
    recall = figure(macro(recalls(table), table))
    precision = figure(macro(np.nan_to_num(precisions(table)), table))
    f1 = figure(macro(f1s(table), table))
    if recall is None or precision is None or f1 is None:
        return None
    return Classification(
        n=len(right),
        accuracy=accuracy,
        accuracy_rejected_wrong=kept,
        balanced_accuracy=recall,
        macro_precision=precision,
        macro_recall=recall,
        macro_f1=f1,
        kappa=figure(kappa(table)),
        classes=tuple(_one_class(cells, table, index) for index in range(len(CLASSES))),
        confusion=Confusion(
            classes=CLASSES,
            counts=tuple(tuple(int(count) for count in row) for row in table[0]),
        ),
    )


def class_table(resamples: Resamples, truth: I32, called: I32) -> F64:
    """Cells per true and called class, (R + 1, 3, 3)."""
    pairs = [
        (truth == row) & (called == column)
        for row in range(len(CLASSES))
        for column in range(len(CLASSES))
    ]
    return np.stack(resamples.sums(*pairs), axis=1).reshape(-1, len(CLASSES), len(CLASSES))


def recalls(table: F64) -> F64:
    """(R + 1, 3); NaN where a class has no cells."""
    return ratio(_hits(table), table.sum(axis=2))


def precisions(table: F64) -> F64:
    """(R + 1, 3); NaN where a class is never called."""
    return ratio(_hits(table), table.sum(axis=1))


def f1s(table: F64) -> F64:
    """(R + 1, 3); 0 where a class is never called right."""
    return ratio(2 * _hits(table), table.sum(axis=1) + table.sum(axis=2))


def macro(values: F64, table: F64) -> F64:
    """Mean of (R + 1, 3) over the classes that a resample has cells of."""
    present = table.sum(axis=2) > 0
    return ratio(np.where(present, values, 0).sum(axis=1), present.sum(axis=1))


def kappa(table: F64) -> F64:
    """Cohen's: agreement beyond that of the margins; NaN where the margins leave nothing to agree on."""
    total = table.sum(axis=(1, 2))
    observed = ratio(_hits(table).sum(axis=1), total)
    chance = ratio((table.sum(axis=1) * table.sum(axis=2)).sum(axis=1), total**2)
    return ratio(observed - chance, 1 - chance)


def _hits(table: F64) -> F64:
    return np.diagonal(table, axis1=1, axis2=2)


def _one_class(cells: CalledCells, table: F64, index: int) -> ClassFigures:
    own = cells.truth == index
    score = cells.probability[:, index]
    of_class, others = cells.resamples.select(own), cells.resamples.select(~own)
    curve = ranks.roc(score, own)
    area = cells.resamples.figure(ranks.auroc((others, score[~own]), (of_class, score[own])))
    return ClassFigures(
        name=CLASSES[index],
        n=int(own.sum()),
        precision=_share(
            cells.resamples.select(cells.called == index), precisions(table)[:, index]
        ),
        recall=_share(of_class, recalls(table)[:, index]),
        f1=of_class.figure(f1s(table)[:, index]) if own.any() else None,
        auroc=area,
        roc=curve,
    )


def _share(rows: Resamples, values: F64) -> Figure | None:
    """A share of these rows, with their number."""
    return rows.figure(values, share=True)
