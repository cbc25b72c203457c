"""A whole calibration, as a table of contents: score of outliers, probabilities, intervals, sets, thresholds.

Fitted on cells that neither trained nor selected the weights. Everything but the thresholds goes into the graph. Where
the cells are of several populations, what is promised is kept in each: every width and threshold is the widest that one
of them asks for.
"""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from phenostream.engine.class_sets import class_members
from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Calibration, ClassSets, Prior
from phenostream.engine.types import CLASSES, F32, I32, MARKERS
from phenostream.trainer.calibration.class_thresholds import fit_class_thresholds
from phenostream.trainer.calibration.evidence import Evidence
from phenostream.trainer.calibration.intervals import F64, fit_interval_scale, half_widths
from phenostream.trainer.calibration.outliers import fit_outlier_score, outlier_threshold
from phenostream.trainer.calibration.probabilities import (
    class_shares,
    fit_temperature_and_bias,
    probabilities,
)
from phenostream.trainer.calibration.settings import CalibrationSettings
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.predict import predict

logger = logging.getLogger(__name__)

_LEAST_CELLS: Final = 30
_LEAST_OF_A_CLASS: Final = 10
_REJECT_FROM, _REJECT_TO = 0.5, 0.999
"""Range of the reject threshold."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Beyond these a cell is flagged or rejected; they do not depend on the stated shares."""

    ood: float
    reject: float


def calibrate(
    graph: BundleGraph,
    train: CellSet,
    held_out: CellSet,
    settings: CalibrationSettings | None = None,
    stratum: I32 | None = None,
) -> Calibration:
    """Fit the graph's calibration buffers in place.

    Args:
        graph: Trained; its marker transform already set.
        train: Cells of the training set, for the feature's centres and spread.
        held_out: Other cells, for everything else.
        settings: What to promise; the defaults where None.
        stratum: (N,) of the held-out cells, as `Evidence` has it; None: all are of one.

    Returns:
        The numbers for the manifest.

    Raises:
        BadInput: Fewer than 30 white cells of a stratum to calibrate on, or too few of a class or marker.
    """
    settings = settings or CalibrationSettings()
    refuse_few(held_out, stratum)
    white = held_out.select(held_out.white)
    fit_outlier_score(graph, train)
    said = predict(graph, white)
    evidence = Evidence.of(graph, said, white, None if stratum is None else stratum[held_out.white])
    each = [
        Thresholds(
            outlier_threshold(graph, said.feature[rows], settings.ood_quantile),
            _reject_threshold(said.reject_logit[rows], settings.white_kept),
        )
        for rows in evidence.strata()
    ]
    thresholds = Thresholds(max(one.ood for one in each), max(one.reject for one in each))
    calibration = fit_calibration(evidence, thresholds, settings)
    fill(graph, calibration)
    return calibration


def fit_calibration(
    evidence: Evidence, thresholds: Thresholds, settings: CalibrationSettings
) -> Calibration:
    """Everything that is fitted to what a model said of its calibration cells; touches no graph."""
    temperature, bias = fit_temperature_and_bias(evidence.class_logits, evidence.kind)
    shares = class_shares(evidence.kind)
    prior = shares if settings.prior is None else np.array(settings.prior) / sum(settings.prior)
    bias = bias + np.log(prior / shares)
    p = probabilities(evidence.class_logits, temperature, bias)
    weight = np.ones(len(evidence))
    if settings.prior is not None:
        for rows in evidence.strata():
            own = evidence.kind[rows]
            weight[rows] = (prior / class_shares(own))[own]
    scale, threshold = _widest(evidence, p, weight, settings)
    width = np.median(half_widths(evidence, p, scale), axis=0)
    size = np.average(class_members(p, threshold.tolist()).sum(axis=1), weights=weight)
    logger.info(
        "calibrated on %d cells: temperature %.3f, bias %s, median half width in z %s, classes in a set %.2f",
        len(evidence), temperature, _short(bias), _short(width), size,
    )  # fmt: skip
    return Calibration.model_validate(
        {
            "status": "calibrated",
            "temperature": temperature,
            "class_bias": bias.tolist(),
            "prior": Prior.model_validate(
                {"shares": prior.tolist(), "stated": settings.prior is not None}
            ),
            "interval_coverage": settings.interval_coverage,
            "interval_scale": scale.tolist(),
            "class_sets": ClassSets.model_validate(
                {"coverage": settings.class_coverage, "threshold": threshold.tolist()}
            ),
            "interval_half_width_z": width.tolist(),
            "ood_threshold": thresholds.ood,
            "reject_threshold": thresholds.reject,
        }
    )


def _widest(
    evidence: Evidence, p: F64, weight: F64, settings: CalibrationSettings
) -> tuple[F64, F64]:
    """Factors of intervals (3, 4) and thresholds of sets (3,): of each the widest that a stratum asks for."""
    scales, thresholds = [], []
    for rows in evidence.strata():
        own = evidence.select(rows)
        scales.append(fit_interval_scale(own, p[rows], weight[rows], settings.interval_coverage))
        thresholds.append(fit_class_thresholds(p[rows], own.kind, settings.class_coverage))
    return np.max(scales, axis=0), np.min(thresholds, axis=0)


def recalibrate(
    graph: BundleGraph, evidence: Evidence, own: Calibration, prior: tuple[float, float, float]
) -> Calibration:
    """Fit a calibrated graph to a population of other class shares, in place; its promises and thresholds stay.

    Args:
        graph: Calibrated.
        evidence: What it said of its calibration cells.
        own: Its calibration.
        prior: The shares.

    Raises:
        BadInput: The graph rejects nothing or gives no score or sets: it is not one that `calibrate` made.
    """
    if own.ood_threshold is None or own.reject_threshold is None or own.class_sets is None:
        raise BadInput("calibration: the model has none that a prior could change; calibrate it")
    settings = CalibrationSettings(
        interval_coverage=own.interval_coverage,
        class_coverage=own.class_sets.coverage,
        prior=prior,
    )
    thresholds = Thresholds(own.ood_threshold, own.reject_threshold)
    calibration = fit_calibration(evidence, thresholds, settings)
    fill(graph, calibration)
    return calibration


def fill(graph: BundleGraph, calibration: Calibration) -> None:
    """Copy a calibration's numbers into the graph's buffers."""
    with torch.no_grad():
        graph.temperature.fill_(calibration.temperature)
        graph.class_bias.copy_(torch.tensor(calibration.class_bias))
        graph.interval_scale.copy_(torch.tensor(calibration.interval_scale))


def _reject_threshold(logit: F32, kept: float) -> float:
    probability = 1 / (1 + np.exp(-logit.astype(np.float64)))
    return float(np.clip(np.quantile(probability, kept), _REJECT_FROM, _REJECT_TO))


def refuse_few(held_out: CellSet, stratum: I32 | None = None) -> None:
    """Look whether there are enough cells of every stratum to calibrate on; worth asking before a training.

    Args:
        held_out: N cells, of any kind.
        stratum: (N,) as `Evidence` has it; None: all are of one.

    Raises:
        BadInput: There are not.
    """
    strata = np.zeros(len(held_out), np.int32) if stratum is None else stratum
    numbers = np.unique(strata).tolist() or [0]
    for place, number in enumerate(numbers, start=1):
        where = f", population {place} of {len(numbers)}" if len(numbers) > 1 else ""
        _refuse_few(held_out.select(held_out.white & (strata == number)), f"calibration{where}")


def _refuse_few(white: CellSet, what: str) -> None:
    counts = {name: n for name, n in white.counts().items() if name in CLASSES}
    if len(white) < _LEAST_CELLS or min(counts.values()) < _LEAST_OF_A_CLASS:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise BadInput(
            f"{what}: {said}: need {_LEAST_CELLS} white cells, {_LEAST_OF_A_CLASS} of each class"
        )
    for marker, name in enumerate(MARKERS):
        targets = int(white.marker_mask[:, marker].sum())
        if targets < _LEAST_CELLS:
            raise BadInput(f"{what}: {name}: {targets} cells, need {_LEAST_CELLS}")


def _short(values: F64) -> str:
    return " ".join(f"{value:.3f}" for value in values)
