"""One frame as the watch for drift sees it: a numerator and a denominator of every quantity.

Takes what a result has and the model's feature; keeps nothing. Values far out are cut off, so that one odd cell cannot
move a mean: z scores where their histograms end, projections likewise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.drift.quantities import AXES
from phenostream.engine.drift.sums import F64
from phenostream.engine.postprocess import CLASSIFIED, REJECTED
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.histogram import LIMIT
from phenostream.engine.types import F32, SHOTS

_LEAST_VARIANCE: Final = 1e-12
_LIGHTLESS: Final = 1e-4
"""Background level, of full scale, below which a shot has no brightness to compare."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A fixed map of the feature to a few numbers of mean 0 and sd 1 over the cells it was made from.

    Attributes:
        centre: (256,) float32.
        axes: (256, 8) float32.
    """

    centre: F32
    axes: F32

    def of(self, feature: F32) -> F64:
        """(N, 8) float64 of N features, cut off at ± 8; 0 where they lie further out than can be told.

        Always finite: sums that are not would be refused when they are read again.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            projected = (feature - self.centre) @ self.axes
        return np.clip(np.nan_to_num(projected), -LIMIT, LIMIT).astype(np.float64)


def principal_projection(feature: F32) -> Projection:
    """The projection onto the directions in which these features vary most, each scaled to sd 1.

    Args:
        feature: (N, 256), more cells than directions.
    """
    centre = feature.mean(axis=0, dtype=np.float64)
    covariance = np.cov(feature - centre, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    largest = np.argsort(values)[::-1][:AXES]
    axes = vectors[:, largest] / np.sqrt(np.maximum(values[largest], _LEAST_VARIANCE))
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(AXES)])
    return Projection(centre.astype(np.float32), axes.astype(np.float32))


def frame_values(
    context: SummaryContext,
    columns: Mapping[str, npt.NDArray[Any]],
    projected: F64 | None = None,
    levels: Mapping[str, float] | None = None,
) -> tuple[F64, F64]:
    """(Q,) numerators and (Q,) denominators, in the order of `quantities_of`.

    Args:
        context: What the numbers mean.
        columns: The arrays of a frame's result by name (see `postprocess`); N may be 0.
        projected: (M, 8) projections of the classified cells, in their order; None: not known.
        levels: Background level of each shot that was taken, fraction of full scale; None: not known.
    """
    status = columns["status"]
    chosen = status == CLASSIFIED
    kind = columns["class"][chosen]
    z = np.clip(columns["marker_z"][chosen].astype(np.float64), -LIMIT, LIMIT)
    total, rejected = float(len(kind)), float(np.count_nonzero(status == REJECTED))
    of_class = (kind == np.arange(len(context.classes))[:, None]).astype(np.float64)
    count = of_class.sum(axis=1)
    markers = of_class @ z
    x = [*count, rejected, float(columns["ood"][chosen].sum()), *markers.ravel()]
    n = [total] * len(count)
    n += [total + rejected if context.rejects else 0.0, total if context.scores_ood else 0.0]
    n += np.repeat(count, len(context.markers)).tolist()
    x += [0.0] * AXES if projected is None else projected.sum(axis=0).tolist()
    n += [0.0 if projected is None else total] * AXES
    for shot in SHOTS:
        level = 0.0 if levels is None else levels.get(shot, 0.0)
        x.append(log(level) if level > _LIGHTLESS else 0.0)
        n.append(1.0 if level > _LIGHTLESS else 0.0)
    return np.array(x, np.float64), np.array(n, np.float64)
