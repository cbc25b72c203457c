"""Figures of merit as plain functions of arrays; what they are computed on is the caller's affair."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


def accuracy(predicted: Integers, truth: Integers) -> float:
    """Share of rows that agree."""
    return float(np.mean(predicted == truth)) if len(truth) else float("nan")


def balanced_accuracy(predicted: Integers, truth: Integers) -> float:
    """Mean recall over the classes present."""
    recalls = [np.mean(predicted[truth == label] == label) for label in np.unique(truth)]
    return float(np.mean(recalls)) if recalls else float("nan")


def macro_f1(predicted: Integers, truth: Integers) -> float:
    """Mean F1 over the classes present."""
    scores = []
    for label in np.unique(truth):
        hits = int(np.sum((predicted == label) & (truth == label)))
        scores.append(2 * hits / (np.sum(predicted == label) + np.sum(truth == label)))
    return float(np.mean(scores)) if scores else float("nan")


def pearson(a: Floats, b: Floats) -> float:
    """Correlation; 0 where one side is constant or there are fewer than three rows."""
    if len(a) < 3 or a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1])


def auroc(score: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Chance that a positive row scores above a negative one, ties counting half."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def expected_calibration_error(probability: Floats, truth: Integers, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of the top probability."""
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for index in range(bins):
        inside = place == index
        if inside.any():
            gap += (
                abs(float(right[inside].mean()) - float(confidence[inside].mean())) * inside.mean()
            )
    return float(gap)
