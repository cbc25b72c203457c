"""The few figures beside the verdict, each with what it must be read against; of several, the worst."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from phenostream.trainer.evaluation.report.wording import interval, number, percent
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import OutlierKind

PUBLISHED_MARKER: Final = "CD16"
"""The marker whose correlation was published: the tile is chosen by that, not by what came out best."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the verdict.

    Attributes:
        what: Its name.
        value: In words.
        interval: Likewise.
        beside: Name and text of what it is to be compared with.
    """

    what: str
    value: str
    interval: str
    beside: tuple[tuple[str, str], ...] = ()


def tiles(evaluation: Evaluation) -> tuple[Tile, ...]:
    """The figures that this evaluation has, in order; none where a headline is refused."""
    if evaluation.headline.refusal is not None:
        return ()
    return (
        *_accuracy(evaluation),
        *_marker(evaluation),
        *_calibration(evaluation),
        *_coverage(evaluation),
        *_outliers(evaluation),
    )


def _accuracy(evaluation: Evaluation) -> Iterator[Tile]:
    found = evaluation.classification
    if found is not None:
        beside = [
            (one.name, number(one.accuracy.value)) for one in evaluation.baselines if one.accuracy
        ]
        beside.append(("balanced accuracy", number(found.balanced_accuracy.value)))
        yield _tile("Accuracy of the class", found.accuracy, tuple(beside))


def _marker(evaluation: Evaluation) -> Iterator[Tile]:
    for marker in evaluation.markers:
        log = marker.log
        if marker.name == PUBLISHED_MARKER and log.r is not None:
            within = [(f"within {one.name}", _value(one.r, 2)) for one in log.within]
            beside = ("class means alone", _value(log.class_mean_r, 2))
            yield _tile(f"r of {marker.name}, log scale", log.r, (beside, *within), 2)


def _calibration(evaluation: Evaluation) -> Iterator[Tile]:
    found = evaluation.calibration
    if found is not None:
        beside = (("before calibration", number(found.before.ece.value)),)
        yield _tile("Expected calibration error", found.after.ece, beside)


def _coverage(evaluation: Evaluation) -> Iterator[Tile]:
    """The class and marker whose intervals hold the least."""
    found = [
        (one.coverage, marker.name, one.name, marker.intervals.nominal)
        for marker in evaluation.markers
        if marker.intervals is not None
        for one in marker.intervals.by_class
        if one.coverage is not None
    ]
    if found:
        worst, marker_name, class_name, nominal = min(found, key=lambda one: one[0].value)
        beside = (("promised", percent(nominal, 0)), (marker_name, class_name))
        yield _tile("Lowest interval coverage in a class", worst, beside)


def _outliers(evaluation: Evaluation) -> Iterator[Tile]:
    """What every stream holds, together; beside it the kind that is told worst, by the better of the two scores."""
    kinds = evaluation.outliers.kinds if evaluation.outliers else ()
    found = [(best, kind) for kind in kinds if (best := _better(kind)) is not None]
    together = evaluation.outliers.together if evaluation.outliers else None
    whole = _better(together) if together else None
    if found and whole is not None:
        worst, kind = min(found, key=lambda one: one[0].value)
        beside = ((f"worst of {len(found)} kinds", number(worst.value)), ("which is", kind.name))
        yield _tile("AUROC of red cells, debris, empty tiles", whole, beside)


def _better(kind: OutlierKind) -> Figure | None:
    scores = [score.auroc for score in (kind.ood, kind.reject) if score is not None]
    return max(scores, key=lambda figure: figure.value, default=None)


def _tile(what: str, figure: Figure, beside: tuple[tuple[str, str], ...], digits: int = 3) -> Tile:
    return Tile(what, number(figure.value, digits), interval(figure, digits), beside)


def _value(figure: Figure | None, digits: int) -> str:
    return number(None if figure is None else figure.value, digits)
