"""The figures of a document that two runs can be compared by, each under a name that means the same in both.

Figures whose unit hangs on the training set (RMSE and widths in z) are left out: between two trainings they differ
without meaning it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from statistics import fmean, stdev
from typing import Final, Literal

from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import MarkerFigures

Better = Literal["higher", "lower", "neither"]
"""Which way is good; ``neither`` where a figure should meet a promise or is no merit of the model."""
SECTIONS: Final = ("classes", "markers", "calibration", "coverage", "outliers")
"""In order of the report."""
_TAIL: Final = 0.975


@dataclass(frozen=True, slots=True)
class Named:
    """One figure.

    Attributes:
        section: Of the report.
        name: Unique within it.
        better: Which way is good.
        figure: As measured.
    """

    section: str
    name: str
    better: Better
    figure: Figure

    @property
    def key(self) -> tuple[str, str]:
        """The same figure in another run has the same."""
        return self.section, self.name


def figures_of(evaluation: Evaluation) -> list[Named]:
    """Every figure that was measured, in the order of the report."""
    found = [
        *_classes(evaluation),
        *(one for marker in evaluation.markers for one in _marker(marker)),
        *_calibration(evaluation),
        *_outliers(evaluation),
    ]
    return [
        Named(section, name, better, figure)
        for section, name, better, figure in sorted(found, key=lambda one: SECTIONS.index(one[0]))
        if figure is not None
    ]


_Entry = tuple[str, str, Better, Figure | None]


def _classes(evaluation: Evaluation) -> Iterator[_Entry]:
    found = evaluation.classification
    if found is None:
        return
    yield "classes", "accuracy", "higher", found.accuracy
    yield "classes", "accuracy, rejected counted wrong", "higher", found.accuracy_rejected_wrong
    yield "classes", "balanced accuracy", "higher", found.balanced_accuracy
    yield "classes", "macro F1", "higher", found.macro_f1
    for one in found.classes:
        yield "classes", f"recall {one.name}", "higher", one.recall


def _marker(marker: MarkerFigures) -> Iterator[_Entry]:
    name = marker.name
    yield "markers", f"r {name}, log", "higher", marker.log.r
    yield "markers", f"r {name}, class means alone", "neither", marker.log.class_mean_r
    for one in marker.log.within:
        yield "markers", f"r {name} within {one.name}", "higher", one.r
    yield "markers", f"r {name}, linear", "higher", marker.linear.r
    if marker.intervals is not None:
        yield "coverage", f"coverage {name}", "neither", marker.intervals.coverage
        for inside in marker.intervals.by_class:
            yield "coverage", f"coverage {name}, {inside.name}", "neither", inside.coverage


def _calibration(evaluation: Evaluation) -> Iterator[_Entry]:
    found = evaluation.calibration
    if found is None:
        return
    yield "calibration", "ECE", "lower", found.after.ece
    yield "calibration", "Brier", "lower", found.after.brier
    yield "calibration", "negative log likelihood", "lower", found.after.nll
    if found.sets is not None:
        yield "calibration", "coverage of class sets", "neither", found.sets.coverage
        yield "calibration", "classes in a set", "lower", found.sets.mean_size


def _outliers(evaluation: Evaluation) -> Iterator[_Entry]:
    found = evaluation.outliers
    if found is None:
        return
    yield "outliers", "white cells rejected", "lower", found.white_rejected
    for kind in found.kinds:
        for how, score in (("distance", kind.ood), ("reject head", kind.reject)):
            figure = None if score is None else score.auroc
            yield "outliers", f"AUROC {kind.name}, {how}", "higher", figure


def over_seeds(figures: Sequence[Figure]) -> Figure:
    """The mean over seeds, its interval covering both the choice of test cells and the luck of a training.

    The half width is the root sum of squares of the mean bootstrap half width and of Student's t times the standard
    error over seeds. One seed keeps its own interval: it knows nothing of the luck. Of the cells, the smallest number.
    """
    if len(figures) == 1:
        return figures[0]
    value, n = fmean(one.value for one in figures), min(one.n for one in figures)
    below = [one.value - one.low for one in figures if one.low is not None]
    above = [one.high - one.value for one in figures if one.high is not None]
    if len(below) < len(figures):
        return Figure(value=value, n=n)
    from scipy.special import stdtrit

    count = len(figures)
    luck = stdtrit(count - 1, _TAIL) * stdev(one.value for one in figures) / sqrt(count)
    return Figure(
        value=value,
        low=value - hypot(fmean(below), luck),
        high=value + hypot(fmean(above), luck),
        n=n,
    )


def difference(first: Figure, second: Figure) -> Figure:
    """Second minus first, with the interval that two independent measurements give (MOVER: Zou and Donner 2008).

    Measurements on the same cells share part of their luck: then it is wider than need be, never narrower, as long as
    what makes one better makes the other better.
    """
    value, n = second.value - first.value, min(first.n, second.n)
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Figure(value=value, n=n)
    return Figure(
        value=value,
        low=value - hypot(second.value - second.low, first.high - first.value),
        high=value + hypot(second.high - second.value, first.value - first.low),
        n=n,
    )
