"""From raw outputs to numbers with a meaning: temperature, conformal intervals, and the two thresholds.

Fitted on cells that neither trained nor selected the weights. Everything but the thresholds goes into the graph.
"""

import math
from typing import Final

import numpy as np
import torch

from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Calibration
from phenostream.engine.types import CLASSES, F32, I32, MARKERS
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.graph import BundleGraph
from phenostream.trainer.predict import Predictions, predict

COVERAGE: Final = 0.9
OOD_QUANTILE: Final = 0.99
"""Share of white calibration cells at or below the out-of-distribution threshold."""
WHITE_KEPT: Final = 0.99
"""Share of white calibration cells that the reject threshold must keep."""
_LEAST_CELLS: Final = 30
_OOD_CELLS: Final = 4_000
"""Training cells that are enough for the feature's centres and spread."""
_SHRINKAGE: Final = 0.1
_FEATURE_NOISE_SD: Final = 0.03
"""Rounding noise of the feature in bfloat16; the score must not look closer than a backend can see."""


def calibrate(graph: BundleGraph, train: CellSet, held_out: CellSet) -> Calibration:
    """Fit the graph's calibration buffers in place.

    Args:
        graph: Trained; its marker transform already set.
        train: Cells of the training set, for the feature's centres and spread.
        held_out: Other cells, for everything else.

    Returns:
        The numbers for the manifest.

    Raises:
        BadInput: Fewer than 30 white cells to calibrate on, or a class or marker is absent.
    """
    white = held_out.select(held_out.white)
    if len(white) < _LEAST_CELLS or len(np.unique(white.kind)) < len(CLASSES):
        raise BadInput(
            f"calibration: {white.counts()}: need {_LEAST_CELLS} white cells of 3 classes"
        )
    known = np.flatnonzero(train.white)
    known = known[:: math.ceil(len(known) / _OOD_CELLS)]
    fit_ood(graph, predict(graph, train.select(known)).feature, train.kind[known])
    said = predict(graph, white)
    temperature = fit_temperature(said.class_logits, white.kind)
    half_width = fit_half_width(graph, said, white)
    with torch.no_grad():
        graph.temperature.fill_(temperature)
        graph.half_width_z.copy_(torch.tensor(half_width))
        score = graph.ood_score(torch.from_numpy(said.feature)).numpy()
    probability = 1 / (1 + np.exp(-said.reject_logit.astype(np.float64)))
    a, b, c, d = half_width
    return Calibration(
        status="calibrated",
        temperature=temperature,
        interval_coverage=COVERAGE,
        interval_half_width_z=(a, b, c, d),
        ood_threshold=float(np.quantile(score, OOD_QUANTILE)),
        reject_threshold=float(np.clip(np.quantile(probability, WHITE_KEPT), 0.5, 0.999)),
    )


def fit_temperature(logits: F32, label: I32) -> float:
    """The temperature in 0.2 to 5 with the least negative log likelihood."""
    rows = np.arange(len(label))

    def loss(temperature: float) -> float:
        scaled = logits.astype(np.float64) / temperature
        top = scaled.max(axis=1)
        log_sum = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(np.mean(log_sum - scaled[rows, label]))

    return float(min(np.geomspace(0.2, 5.0, 401), key=loss))


def fit_half_width(graph: BundleGraph, said: Predictions, white: CellSet) -> list[float]:
    """Split-conformal half widths in z: the ceil((n + 1) coverage)-th smallest absolute residual."""
    mean, sd = graph.marker_mean.numpy(), graph.marker_sd.numpy()
    residual = np.abs(said.marker_z - (white.marker_log10 - mean) / sd)
    widths = []
    for marker, name in enumerate(MARKERS):
        ordered = np.sort(residual[white.marker_mask[:, marker], marker])
        if len(ordered) < _LEAST_CELLS:
            raise BadInput(f"calibration: {name}: {len(ordered)} cells, need {_LEAST_CELLS}")
        place = min(math.ceil((len(ordered) + 1) * COVERAGE), len(ordered)) - 1
        widths.append(float(ordered[place]))
    return widths


def fit_ood(graph: BundleGraph, feature: F32, label: I32) -> None:
    """Class centres and one shared, shrunk covariance of the feature; the graph keeps its whitening."""
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
