"""How far class probabilities mean what they say: calibration error, Brier, likelihood, prediction sets (SPEC g.2)."""

from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CLASSES, I32, Bool
from phenostream.trainer.evaluation.figures.bootstrap import F64, Resamples, ratio
from phenostream.trainer.evaluation.schema.performance import (
    ClassSetFigures,
    ProbabilityFigures,
    ReliabilityBin,
)

BINS: Final = 15
LEAST_PROBABILITY: Final = 1e-12
"""Smaller ones are raised to this before a logarithm."""


def judge_probabilities(
    resamples: Resamples, probability: npt.NDArray[np.floating], truth: I32
) -> ProbabilityFigures | None:
    """Figures of (N, 3) probabilities against (N,) classes; None of no cells."""
    if not len(truth):
        return None
    wide = probability.astype(np.float64)
    own = wide[np.arange(len(truth)), truth]
    one_hot = np.eye(len(CLASSES))[truth]
    brier = resamples.mean(((wide - one_hot) ** 2).sum(axis=1))
    nll = resamples.mean(-np.log(np.maximum(own, LEAST_PROBABILITY)))
    values, bins = _reliability(resamples, wide, truth)
    ece = resamples.figure(values)
    if brier is None or nll is None or ece is None:
        return None
    return ProbabilityFigures(ece=ece, brier=brier, nll=nll, bins=bins)


def _reliability(
    resamples: Resamples, probability: F64, truth: I32
) -> tuple[F64, tuple[ReliabilityBin, ...]]:
    """Calibration error (R + 1,), and the bins behind its first value.

    A resample adds noise to every bin, and an absolute gap never averages it out: resampled errors are larger than the
    measured one. Their spread is kept and that excess taken off, down to 0.
    """
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == truth
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gap, total = np.zeros(len(resamples.weights)), np.zeros(len(resamples.weights))
    bins = []
    for index in range(BINS):
        inside = place == index
        if not inside.any():
            continue
        count, sure, hits = resamples.sums(inside, inside * confidence, inside & right)
        gap += np.abs(sure - hits)
        total += count
        bins.append(
            ReliabilityBin(
                low=index / BINS,
                high=(index + 1) / BINS,
                confidence=min(1.0, float(sure[0] / count[0])),
                accuracy=float(hits[0] / count[0]),
                n=int(count[0]),
            )
        )
    error = ratio(gap, total)
    if len(error) > 1:
        error[1:] = np.maximum(error[1:] - (error[1:].mean() - error[0]), 0)
    return error, tuple(bins)


def judge_sets(
    resamples: Resamples, members: Bool, truth: I32, nominal: float
) -> ClassSetFigures | None:
    """Figures of prediction sets (N, 3) against (N,) classes; None of no cells."""
    held = members[np.arange(len(truth)), truth]
    size = members.sum(axis=1)
    coverage, mean_size = resamples.share(held), resamples.mean(size)
    if coverage is None or mean_size is None:
        return None
    return ClassSetFigures(
        nominal=nominal,
        coverage=coverage,
        by_class={
            name: resamples.select(truth == index).share(held[truth == index])
            for index, name in enumerate(CLASSES)
        },
        mean_size=mean_size,
        sizes=tuple(float((size == count).mean()) for count in range(len(CLASSES) + 1)),
    )


def softmax(logits: npt.NDArray[np.floating]) -> F64:
    """(N, 3) probabilities of (N, 3) logits."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    out: F64 = powers / powers.sum(axis=1, keepdims=True)
    return out
