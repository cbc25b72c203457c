"""One marker's test cells as columns: what was measured, what the model says, and what it is compared with.

Everything fitted (the ruler, class means, the oracle) is fitted on training cells.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.types import CLASSES, F32, I32, Bool, Outputs
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.figures.bootstrap import F64, Resamples
from phenostream.trainer.evaluation.figures.marker_scales import SCALES, MarkerScale, Scale
from phenostream.trainer.evaluation.figures.oracle import oracle_levels

LEAST_LABELLED: Final = 30
_LEAST_CELLS: Final = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """One scale, in z units of the training targets.

    Attributes:
        measured: (N,).
        predicted: (N,).
        size_only: (N,) of the size model; None without one.
        class_means: (3,) mean training target per class; NaN where a class has none.
        oracle: Per class what the simulator's truth gives for its cells, in their order; None where unknown.
    """

    measured: F64
    predicted: F64
    size_only: F64 | None
    class_means: F64
    oracle: tuple[F64 | None, ...]


@dataclass(frozen=True, slots=True)
class MarkerCells:
    """N test cells with a valid target of one marker.

    Attributes:
        resamples: Of them.
        kind: (N,) int32, true class, -1 where unknown.
        called: (N,) int32, the class the model says.
        at_floor: (N,) bool, the target is at its column's floor.
        level: (N,) targets in the marker's unit.
        interval: (N, 2) the model's interval in that unit.
        width_z: (N,) its width in z, on the scale the model was trained on.
        scales: The same cells on both scales.
    """

    resamples: Resamples
    kind: I32
    called: I32
    at_floor: Bool
    level: F64
    interval: F32
    width_z: F64
    scales: dict[Scale, Columns]

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of N cells.

    Attributes:
        outputs: Of the model.
        called: (N,) int32, the class it calls.
        transform: What its z means.
        size_only: (N, 4) log10 levels of the size model; None without one.
    """

    outputs: Outputs
    called: I32
    transform: MarkerTransform
    size_only: F32 | None


def marker_cells(
    marker: int, train: CellSet, test: CellSet, said: Said, resamples: Resamples
) -> MarkerCells | None:
    """The cells of one marker; None where there is nothing to measure it on or no training target.

    White cells only, so that every figure has the class-mean one beside it; only where fewer than `LEAST_LABELLED` of
    them have a target, as in a batch that was never gated, cells of unknown class too.

    Args:
        marker: Column.
        train: Cells to fit rulers, means and oracle on.
        test: N cells.
        said: Of them.
        resamples: Of them.
    """
    ruler = MarkerScale.of(train, marker)
    rows = _rows(test, marker)
    if ruler is None or len(rows) < _LEAST_CELLS:
        return None
    level, kind = _power(test.marker_log10[rows, marker]), test.kind[rows]
    interval = said.outputs.marker_interval[rows, marker]
    estimate = said.outputs.marker_estimate[rows, marker]
    size_only = None if said.size_only is None else _power(said.size_only[rows, marker])
    oracles = [
        oracle_levels(train, test.truth[rows[kind == index]], marker, index)
        for index in range(len(CLASSES))
    ]
    scales = {
        scale: Columns(
            measured=ruler.z(level, scale),
            predicted=ruler.estimated_z(estimate, said.transform, scale),
            size_only=None if size_only is None else ruler.z(size_only, scale),
            class_means=_class_means(train, marker, ruler, scale),
            oracle=tuple(None if one is None else ruler.z(one, scale) for one in oracles),
        )
        for scale in SCALES
    }
    return MarkerCells(
        resamples=resamples.select(rows),
        kind=kind,
        called=said.called[rows],
        at_floor=test.censored[rows, marker],
        level=level,
        interval=interval,
        width_z=ruler.widths(interval, said.transform.scale),
        scales=scales,
    )


def _rows(test: CellSet, marker: int) -> npt.NDArray[np.intp]:
    valid = test.marker_mask[:, marker] & ~test.foreign
    labelled = np.flatnonzero(valid & test.white)
    return labelled if len(labelled) >= LEAST_LABELLED else np.flatnonzero(valid)


def _power(log10: npt.NDArray[np.floating]) -> F64:
    levels: F64 = 10 ** log10.astype(np.float64)
    return levels


def _class_means(train: CellSet, marker: int, ruler: MarkerScale, scale: Scale) -> F64:
    means = np.full(len(CLASSES), np.nan)
    for kind in range(len(CLASSES)):
        rows = (train.kind == kind) & train.marker_mask[:, marker]
        if rows.any():
            means[kind] = ruler.z(_power(train.marker_log10[rows, marker]), scale).mean()
    return means
