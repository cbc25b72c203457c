"""What fitting to a site changed, on labelled cells: every figure before and after, and the paired difference.

Both models answer for the same cells, and the intervals resample the same fields of view, so that the difference is of
the models alone. Knows answers and labels; runs nothing.
"""

import numpy as np
import numpy.typing as npt

from phenostream.engine.manifest import Calibration
from phenostream.engine.types import CLASSES, Bool, Outputs
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.figures.bootstrap import (
    F64,
    BootstrapSettings,
    Resamples,
    ratio,
)
from phenostream.trainer.evaluation.figures.ranks import auroc
from phenostream.trainer.evaluation.schema.figure import Closed, Figure
from phenostream.trainer.evaluation.served import serve


class Change(Closed):
    """One figure; each None where these cells do not have it.

    Attributes:
        name: Of it.
        before: Of the model as it was.
        after: Of the fitted one.
        difference: After minus before, on the same cells.
    """

    name: str
    before: Figure | None
    after: Figure | None
    difference: Figure | None


class BeforeAfter(Closed):
    """The comparison on one set of cells.

    Attributes:
        data: Which cells they are, in words.
        synthetic: Simulated.
        fitted_on: The model was fitted to these very cells, without their labels.
        white: Cells with a class.
        others: Cells that are to be rejected.
        changes: Figure by figure.
    """

    data: str
    synthetic: bool
    fitted_on: bool
    white: int
    others: int
    changes: tuple[Change, ...]


def compare_answers(
    cells: CellSet,
    before: tuple[Outputs, Calibration],
    after: tuple[Outputs, Calibration],
    settings: BootstrapSettings | None = None,
) -> tuple[Change, ...]:
    """Every figure of both models on labelled cells.

    Args:
        cells: Those without a label count nowhere.
        before: What the one said of them, and its calibration.
        after: The other.
        settings: Of the intervals.
    """
    draws = Resamples.of(cells.group, settings or BootstrapSettings())
    one, other = (_values(cells, draws, *answers) for answers in (before, after))
    return tuple(
        Change(
            name=name,
            before=_figure(cells, draws, name, one[name]),
            after=_figure(cells, draws, name, other[name]),
            difference=_figure(cells, draws, name, other[name] - one[name]),
        )
        for name in one
    )


def _values(
    cells: CellSet, draws: Resamples, said: Outputs, calibration: Calibration
) -> dict[str, F64]:
    """Figures by name, (R + 1,) each."""
    served = serve(said, calibration)
    rejected = np.zeros(len(cells), np.bool_) if served.rejected is None else served.rejected
    flagged = np.zeros(len(cells), np.bool_) if served.flagged is None else served.flagged
    right = (served.called == cells.kind) & ~rejected
    recalls = np.stack(
        [_share(draws, right, cells.kind == index) for index in range(len(CLASSES))], axis=1
    )
    present = np.isfinite(recalls)
    named = {f"recall {name}": recalls[:, index] for index, name in enumerate(CLASSES)}
    return {
        "balanced accuracy": ratio(np.where(present, recalls, 0).sum(axis=1), present.sum(axis=1)),
        "accuracy": _share(draws, right, cells.white),
        **named,
        "mean AUC": _mean_auc(cells, draws, said),
        "white cells rejected": _share(draws, rejected, cells.white),
        "other objects rejected": _share(draws, rejected, cells.foreign),
        "white cells flagged": _share(draws, flagged, cells.white),
    }


def _share(draws: Resamples, true: Bool, among: Bool) -> F64:
    hits, count = draws.sums(true & among, among)
    return ratio(hits, count)


def _mean_auc(cells: CellSet, draws: Resamples, said: Outputs) -> F64:
    """Mean over the classes of one against the rest, among white cells."""
    areas = []
    for index in range(len(CLASSES)):
        own, rest = cells.kind == index, cells.white & (cells.kind != index)
        if own.any() and rest.any():
            score = said.class_probability[:, index]
            areas.append(auroc((draws.select(rest), score[rest]), (draws.select(own), score[own])))
    if not areas:
        return np.full(len(draws.weights), np.nan)
    mean: F64 = np.mean(areas, axis=0)
    return mean


def _figure(cells: CellSet, draws: Resamples, name: str, values: F64) -> Figure | None:
    return draws.select(_counted(cells, name)).figure(values)


def _counted(cells: CellSet, name: str) -> npt.NDArray[np.bool_]:
    """The cells that a figure is of."""
    if name.startswith("recall "):
        own: Bool = cells.kind == CLASSES.index(name.removeprefix("recall "))
        return own
    return cells.foreign if name.startswith("other") else cells.white
