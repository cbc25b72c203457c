"""Scoring a single-shot model on published pictures of real cells: strictly, adapted, and beside baselines.

Every figure has a bootstrap interval over cells. Knows the arrays and the schema; reads no file.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.engine.types import CLASSES, F32, I32
from phenostream.trainer.classifier.checkpoint import PictureCheckpoint
from phenostream.trainer.classifier.committee import Committee
from phenostream.trainer.classifier.model import PicturePredictions
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.data.bsccm_figures import RED_NAME, UNKNOWN, FigureCells
from phenostream.trainer.evaluation.figures import ranks
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.figures.classification import (
    CalledCells,
    class_table,
    classify,
    macro,
    recalls,
)
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.single_shot import baselines
from phenostream.trainer.single_shot.adapted import AdaptationSettings, CrossFitted, cross_fitted
from phenostream.trainer.single_shot.pictures import VIEWS, figure_pictures
from phenostream.trainer.single_shot.schema import (
    FiguresReport,
    JudgedCell,
    LayerMoved,
    ModelFacts,
    Rejected,
    Way,
)

STRICT: Final = "strict"
ADAPTED: Final = "adapted"
REJECTED_ABOVE: Final = 0.5
"""Probability of "no white cell" above which a cell is rejected."""
_WHAT: Final = {
    STRICT: "zero-shot: the model as it was trained, which has seen no real cell",
    ADAPTED: "not zero-shot: normalisation fitted to the pixels of other real cells of this folder, no label used",
}
_BASELINES: Final[dict[str, tuple[str, Callable[..., baselines.F64]]]] = {
    "size alone": (
        "logistic model of the apparent diameter; labels of the other real cells, each left out once",
        baselines.sizes,
    ),
    "HOG": (
        "logistic model of oriented gradients; labels of the other real cells, each left out once",
        baselines.gradients,
    ),
}
STEPS: Final = 2 + len(_BASELINES)
"""Calls of `on_step`."""


def judge(
    root: Path,
    cells: FigureCells,
    committee: Committee,
    settings: BootstrapSettings,
    on_step: Callable[[str], None] = lambda name: None,
) -> FiguresReport:
    """The whole report.

    Args:
        root: Where the cells came from.
        cells: Real cells.
        committee: The model, which is not changed.
        settings: Of the intervals.
        on_step: Is told the name of each way before it is scored.

    Raises:
        BadInput: Fewer cells than folds.
    """
    pictures = partial(figure_pictures, cells)
    resamples = Resamples.of(np.arange(len(cells), dtype=np.int32), settings)
    adaptation = AdaptationSettings()
    on_step(STRICT)
    strict = committee.predict(pictures, _as_trained)
    on_step(ADAPTED)
    shifts: list[LayerMoved] = []

    def fitted(one: PictureCheckpoint, seen: Pictures) -> PicturePredictions:
        found = cross_fitted(one.model, seen, adaptation)
        shifts.extend(_moved(found, f"{one.card.version}: "))
        return found.predictions

    adapted = committee.predict(pictures, fitted)
    said = {STRICT: strict, ADAPTED: adapted}
    ways = [_way(name, cells, resamples, one) for name, one in said.items()]
    ways += _baselines(cells, resamples, on_step)
    return FiguresReport(
        root=str(root),
        pictures_sha256=cells.sha256,
        counts={label: cells.labels.count(label) for label in dict.fromkeys(cells.labels)},
        left_out=cells.left_out,
        model=_facts(committee),
        folds=adaptation.folds,
        ways=tuple(ways),
        gain=_gain(cells, resamples, strict, adapted),
        shifts=tuple(shifts),
        cells=tuple(_judged(cells, said)),
    )


def mean_auroc(resamples: Resamples, kind: I32, probability: F32) -> Figure | None:
    """Mean over classes of the one-vs-rest area; None unless every class has a cell."""
    areas = []
    for index in range(len(CLASSES)):
        own, score = kind == index, probability[:, index]
        sides = [(resamples.select(side), score[side]) for side in (~own, own)]
        areas.append(ranks.auroc(sides[0], sides[1]))
    return resamples.figure(np.mean(areas, axis=0))


def _way(name: str, cells: FigureCells, resamples: Resamples, said: PicturePredictions) -> Way:
    white = _white(cells)
    rejected = said.reject_probability > REJECTED_ABOVE
    called = CalledCells(
        resamples.select(white),
        cells.kind[white],
        said.predicted[white],
        said.probability[white],
        rejected[white],
    )
    labels = np.array(cells.labels)
    groups = {"white": white, RED_NAME: labels == RED_NAME, UNKNOWN: labels == UNKNOWN}
    return Way(
        name=name,
        what=_WHAT[name],
        classification=classify(called),
        mean_auroc=mean_auroc(called.resamples, called.truth, called.probability),
        rejected=tuple(
            Rejected(label=label, share=resamples.select(rows).share(rejected[rows]))
            for label, rows in groups.items()
        ),
    )


def _baselines(
    cells: FigureCells, resamples: Resamples, on_step: Callable[[str], None]
) -> Iterator[Way]:
    """Those that can be fitted: two classes, at least, of two cells or more."""
    white = _white(cells)
    kind, of_white = cells.kind[white], resamples.select(white)
    enough = (np.bincount(kind, minlength=len(CLASSES)) >= 2).sum() >= 2
    for name, (what, features) in _BASELINES.items():
        on_step(name)
        if not enough:
            continue
        probability = baselines.left_out_once(features(cells.images[white]), kind)
        called = probability.argmax(axis=1).astype(np.int32)
        yield Way(
            name=name,
            what=what,
            classification=classify(CalledCells(of_white, kind, called, probability, None)),
            mean_auroc=mean_auroc(of_white, kind, probability),
        )


def _gain(
    cells: FigureCells,
    resamples: Resamples,
    strict: PicturePredictions,
    adapted: PicturePredictions,
) -> Figure | None:
    """Balanced accuracy, adapted minus strict, on the same cells of every resample."""
    white = _white(cells)
    drawn, truth = resamples.select(white), cells.kind[white]
    balanced = []
    for said in (strict, adapted):
        table = class_table(drawn, truth, said.predicted[white])
        balanced.append(macro(recalls(table), table))
    return drawn.figure(balanced[1] - balanced[0])


def _white(cells: FigureCells) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (cells.kind >= 0) & (cells.kind < len(CLASSES))


def _as_trained(one: PictureCheckpoint, pictures: Pictures) -> PicturePredictions:
    return one.model.predict(pictures, VIEWS)


def _facts(committee: Committee) -> ModelFacts:
    card = committee.card
    return ModelFacts(
        name=card.name,
        version=card.version,
        synthetic=card.synthetic,
        description=card.description,
        weights_sha256=tuple(one.card.weights_sha256 for one in committee.members),
    )


def _moved(adapted: CrossFitted, whose: str) -> Iterator[LayerMoved]:
    for one in adapted.shifts:
        yield LayerMoved(layer=whose + one.layer, mean=one.mean, log_sd=one.log_sd)


def _judged(cells: FigureCells, said: dict[str, PicturePredictions]) -> Iterator[JudgedCell]:
    for row, (name, label) in enumerate(zip(cells.names, cells.labels, strict=True)):
        probability = {way: one.probability[row].clip(0, 1) for way, one in said.items()}
        yield JudgedCell(
            name=name,
            label=label,
            probability={
                way: (float(p[0]), float(p[1]), float(p[2])) for way, p in probability.items()
            },
            reject_probability={
                way: float(one.reject_probability[row]) for way, one in said.items()
            },
        )
