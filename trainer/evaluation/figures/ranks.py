"""Figures that only the order of a score decides, for every resample at once: AUROC, FPR95, Spearman, a ROC curve.

Larger scores mean "positive". Functions return (R + 1,) as `bootstrap` has it.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import Bool
from phenostream.trainer.evaluation.figures.bootstrap import F64, Resamples, ratio, rows_at_once
from phenostream.trainer.evaluation.schema.figure import Curve

Score = npt.NDArray[np.floating]
CURVE_POINTS: Final = 101
PASSED: Final = 0.95
"""Share of negatives that pass at the threshold of `false_pass_rate`."""


def auroc(negatives: tuple[Resamples, Score], positives: tuple[Resamples, Score]) -> F64:
    """Chance that a positive scores above a negative, ties counting half; NaN without both.

    Args:
        negatives: Cells and their scores (N,).
        positives: Other cells, of the same fields or of others, with as many resamples.
    """
    score = np.concatenate([negatives[1], positives[1]])
    values, place = np.unique(score, return_inverse=True)
    split = len(negatives[1])
    if not split or split == len(score):
        return np.full(len(negatives[0].weights), np.nan)
    below = _Steps(place[:split], len(values))
    at = place[split:]
    out = []
    for lose, win in _together(negatives[0], positives[0]):
        cumulative = below.cumulative(lose)
        half = (cumulative[:, at] + cumulative[:, at + 1]) / 2
        out.append(ratio((half * win).sum(axis=1), cumulative[:, -1] * win.sum(axis=1)))
    return np.concatenate(out)


def false_pass_rate(negatives: tuple[Resamples, Score], positives: tuple[Resamples, Score]) -> F64:
    """Share of the positives at or below the lowest threshold that `PASSED` of the negatives are at or below."""
    if not len(negatives[1]) or not len(positives[1]):
        return np.full(len(negatives[0].weights), np.nan)
    order = np.argsort(negatives[1], kind="stable")
    ordered = negatives[1][order]
    out = []
    for lose, win in _together(negatives[0], positives[0]):
        cumulative = np.cumsum(lose[:, order], axis=1)
        place = (cumulative < PASSED * cumulative[:, -1:]).sum(axis=1)
        threshold = ordered[np.minimum(place, len(ordered) - 1)]
        passing = positives[1][None, :] <= threshold[:, None]
        share = ratio((passing * win).sum(axis=1), win.sum(axis=1))
        out.append(np.where(cumulative[:, -1] > 0, share, np.nan))
    return np.concatenate(out)


def spearman(resamples: Resamples, a: Score, b: Score) -> F64:
    """Rank correlation of (N,) and (N,), equal values sharing their mean rank."""
    if len(a) < 2:
        return np.full(len(resamples.weights), np.nan)
    places = [np.unique(column, return_inverse=True)[1] for column in (a, b)]
    steps = [_Steps(place, int(place.max()) + 1) for place in places]
    out = []
    for weight in resamples.chunks():
        total = weight.sum(axis=1, keepdims=True)
        centred = []
        for step, place in zip(steps, places, strict=True):
            cumulative = step.cumulative(weight)
            rank = (cumulative[:, place] + cumulative[:, place + 1]) / 2
            centred.append(rank - total / 2)
        x, y = centred
        xx, yy = (weight * x * x).sum(axis=1), (weight * y * y).sum(axis=1)
        out.append(ratio((weight * x * y).sum(axis=1), np.sqrt(xx * yy)))
    return np.clip(np.concatenate(out), -1, 1)


def roc(score: Score, positive: Bool) -> Curve | None:
    """The curve of (N,) scores, at most `CURVE_POINTS` of its points; None without both sides."""
    if not positive.any() or positive.all():
        return None
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    true = np.cumsum(positive[order])[last] / positive.sum()
    false = np.cumsum(~positive[order])[last] / (~positive).sum()
    x, y = np.append(0.0, false), np.append(0.0, true)
    chosen = np.unique(np.linspace(0, len(x) - 1, CURVE_POINTS).round().astype(int))
    return Curve(x=tuple(x[chosen].round(5).tolist()), y=tuple(y[chosen].round(5).tolist()))


class _Steps:
    """Weights summed per distinct value of a score, then up to each value."""

    def __init__(self, place: npt.NDArray[np.intp], count: int) -> None:
        self._order = np.argsort(place, kind="stable")
        self._upto = np.searchsorted(place[self._order], np.arange(count + 1))

    def cumulative(self, weight: F64) -> F64:
        """(r, values + 1): the weight of the cells below each value, and of all in the last column."""
        running = np.zeros((len(weight), weight.shape[1] + 1))
        np.cumsum(weight[:, self._order], axis=1, out=running[:, 1:])
        return running[:, self._upto]


def _together(a: Resamples, b: Resamples) -> Iterator[tuple[F64, F64]]:
    """Chunks of both sets of cells for the same resamples."""
    step = rows_at_once(len(a) + len(b))
    for start in range(0, len(a.weights), step):
        end = start + step
        yield a.weights[start:end, a.place], b.weights[start:end, b.place]
