"""How unlike the training cells a cell is: the distance of its feature to the nearest class, and its threshold.

The distance is Mahalanobis's (SPEC g.2), with one covariance of the feature within classes. It is fitted on training
cells, the threshold on held-out ones.
"""

import math
from typing import Final

import numpy as np
import torch

from phenostream.engine.types import CLASSES, F32, I32
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.predict import predict

_ENOUGH: Final = 4_000
"""Training cells that are enough for the feature's centres and spread."""
_SHRINKAGE: Final = 0.1
_FEATURE_NOISE_SD: Final = 0.03
"""Rounding noise of the feature in bfloat16; the score must not look closer than a backend can see."""


def fit_outlier_score(graph: BundleGraph, train: CellSet) -> None:
    """Fill the graph's centres and whitening from white training cells, evenly taken."""
    known = np.flatnonzero(train.white)
    known = known[:: math.ceil(len(known) / _ENOUGH)]
    fit_distance(graph, predict(graph, train.select(known)).feature, train.kind[known])


def fit_distance(graph: BundleGraph, feature: F32, label: I32) -> None:
    """Class centres and one shared, shrunk covariance of the feature; the graph keeps its whitening.

    Args:
        graph: Its buffers are filled.
        feature: (N, 256), of cells of every class.
        label: (N,) true class.
    """
    wide = feature.astype(np.float64)
    centres = np.stack([wide[label == index].mean(axis=0) for index in range(len(CLASSES))])
    spread = np.cov(wide - centres[label], rowvar=False)
    isotropic = np.eye(len(spread)) * np.trace(spread) / len(spread)
    noise = np.eye(len(spread)) * _FEATURE_NOISE_SD**2
    values, vectors = np.linalg.eigh((1 - _SHRINKAGE) * spread + _SHRINKAGE * isotropic + noise)
    whiten = vectors / np.sqrt(values)
    with torch.no_grad():
        graph.ood_whiten.copy_(torch.from_numpy(whiten))
        graph.ood_centre.copy_(torch.from_numpy(centres @ whiten))


def outlier_threshold(graph: BundleGraph, feature: F32, quantile: float) -> float:
    """The score that this share of white, held-out cells does not exceed."""
    with torch.inference_mode():
        score = graph.ood_score(torch.from_numpy(feature)).numpy()
    return float(np.quantile(score, quantile))
