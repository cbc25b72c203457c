"""Simpler ways to fit a network to a site, which `site_fit` was chosen over; for measurements, not for use.

All take the same cells, in place; none is given a label.
"""

from typing import Final, Literal

import numpy as np
import torch

from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Calibration
from phenostream.engine.types import Crops
from phenostream.trainer.adaptation.mix import estimated_shares, restated
from phenostream.trainer.adaptation.norms import fitted
from phenostream.trainer.adaptation.reference import NormReference, network_input
from phenostream.trainer.adaptation.settings import AdaptationSettings
from phenostream.trainer.adaptation.site_fit import Said, fit_site
from phenostream.trainer.adaptation.statistics import Moments, kept_statistics, sweep
from phenostream.trainer.network.graph import BundleGraph

Method = Literal["naive", "weighted", "matched", "blended"]
METHODS: Final[tuple[Method, ...]] = ("naive", "weighted", "matched", "blended")
_SWEEPS: Final = 4
_RAREST: Final = 0.01


def fit_by(
    method: Method,
    graph: BundleGraph,
    reference: NormReference,
    calibration: Calibration,
    crops: Crops,
) -> None:
    """Fit a graph, in place, to a site's cells.

    Args:
        method: ``naive``: every cell counts the same and the training's statistics are forgotten (AdaBN).
            ``weighted``: white cells count so that their estimated classes come in the training's shares. ``matched``
            and ``blended``: `fit_site` without and with the training's statistics counting as cells.
        graph: With live batch normalisations, as it was trained.
        reference: Of it.
        calibration: Of it.
        crops: The site's.
    """
    if method == "naive":
        _fit_naive(graph, crops)
    elif method == "weighted":
        _fit_weighted(graph, reference, calibration, crops)
    else:
        own = AdaptationSettings()
        settings = own if method == "blended" else own.model_copy(update={"prior_cells": 0.0})
        fit_site(graph, reference, calibration, crops, settings)


def _fit_naive(graph: BundleGraph, crops: Crops) -> None:
    inputs = torch.cat(network_input(graph, crops))
    training = kept_statistics(graph.phenotyper)

    def rule(name: str, seen: Moments) -> Moments:
        return fitted(name, training[name], training[name], seen, 1.0)

    sweep(graph.phenotyper, inputs, torch.ones(len(inputs)), rule)


def _fit_weighted(
    graph: BundleGraph, reference: NormReference, calibration: Calibration, crops: Crops
) -> None:
    if calibration.prior is None:
        raise BadInput("calibration: the model does not tell for which shares of classes it holds")
    prior = np.asarray(calibration.prior.shares)
    inputs = torch.cat(network_input(graph, crops))
    training, expected = kept_statistics(graph.phenotyper), reference.mixed(prior.tolist())

    def rule(name: str, seen: Moments) -> Moments:
        return fitted(name, training[name], expected[name], seen, 1.0)

    with torch.no_grad():
        said = Said.of(graph.phenotyper.eval()(inputs), calibration)
    for _ in range(_SWEEPS):
        shares = estimated_shares(said.probability, said.white.numpy(), prior.tolist())
        odds = prior / np.maximum(shares, _RAREST)
        wanted = restated(said.probability, prior, shares) @ odds
        weights = said.white * torch.from_numpy(wanted)
        said = Said.of(sweep(graph.phenotyper, inputs, weights, rule), calibration)
