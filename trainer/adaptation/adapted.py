"""A checkpoint fitted to a site, or the one line that says why it is not.

What was fitted to labelled cells stays as it was: temperature, intervals, sets of classes and thresholds. Nothing here
can say whether they still keep what they promise at the site; the card says so, and leaves out figures and population
that were measured before.
"""

import copy
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from phenostream.engine.adaptation_facts import Adapted, LayerMove
from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Calibration, Prior
from phenostream.engine.types import Crops, Outputs
from phenostream.trainer.adaptation.mix import LEAST_SHARE
from phenostream.trainer.adaptation.refusals import (
    refuse_few,
    refuse_odd_answers,
    refuse_odd_fit,
)
from phenostream.trainer.adaptation.settings import AdaptationSettings
from phenostream.trainer.adaptation.site_fit import SiteFit, fit_site
from phenostream.trainer.calibration.calibrate import fill
from phenostream.trainer.checkpoint import Card, Checkpoint
from phenostream.trainer.evaluation.served import serve
from phenostream.trainer.evaluation.subject import graph_subject

_LONGEST_NAME: Final = 64
_LONGEST_VERSION: Final = 32
_SUFFIX: Final = "-adapted"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the cells are from.

    Attributes:
        source: In words.
        sha256: Of the recording's file.
        synthetic: Simulated cells.
        frames: How many they were found in.
    """

    source: str
    sha256: str
    synthetic: bool
    frames: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The bundle that is fitted: name and version, and the hash of its manifest."""

    name: str
    sha256: str


def adapt_checkpoint(
    checkpoint: Checkpoint,
    origin: Origin,
    crops: Crops,
    site: Site,
    settings: AdaptationSettings,
) -> Checkpoint:
    """Fit a copy of a checkpoint to a site's cells.

    Args:
        checkpoint: With a reference; itself left as it is.
        origin: What it is.
        crops: All the site's cells; more than `settings.most_cells` are thinned evenly.
        site: Where they are from.
        settings: How, and beyond what it is refused.

    Returns:
        One that says what was done, and cannot be adapted again.

    Raises:
        BadInput: Too few cells, or too odd ones: the line says which limit was passed.
    """
    if checkpoint.reference is None:
        raise BadInput("the model does not tell what its batch normalisations saw in training")
    refuse_few(len(crops), site.source, settings)
    crops = _thinned(crops, settings.most_cells)
    graph, card = copy.deepcopy(checkpoint.graph), checkpoint.card
    fit = fit_site(graph, checkpoint.reference, card.calibration, crops, settings)
    refuse_odd_fit(fit, site.source, settings)
    if settings.priors == "estimate":
        calibration = with_prior(card.calibration, fit.shares)
        fill(graph, calibration)
        card = card.model_copy(update={"calibration": calibration})
    said = graph_subject(graph, card, origin.sha256).outputs(crops)
    adapted = _told(said, card.calibration, fit, origin, site, settings)
    refuse_odd_answers(adapted, settings)
    return replace(
        checkpoint,
        graph=graph,
        card=_relabelled(card, adapted),
        evidence=None,
        population=None,
        reference=None,
    )


def with_prior(calibration: Calibration, shares: tuple[float, float, float]) -> Calibration:
    """The calibration for cells of other class shares, by Bayes' rule on its probabilities alone.

    Intervals and sets of classes are not fitted again: that takes labelled cells.

    Raises:
        BadInput: It does not tell for which shares it holds.
    """
    own = calibration.prior
    if own is None:
        raise BadInput("calibration: the model does not tell for which shares of classes it holds")
    bounded = np.clip(shares, LEAST_SHARE, 1 - 2 * LEAST_SHARE)
    wanted = bounded / bounded.sum()
    bias = np.asarray(calibration.class_bias) + np.log(wanted / np.asarray(own.shares))
    stated = Prior.model_validate({"shares": wanted.tolist(), "stated": True})
    return calibration.model_copy(update={"class_bias": tuple(bias.tolist()), "prior": stated})


def _thinned(crops: Crops, most: int) -> Crops:
    if len(crops) <= most:
        return crops
    rows = np.linspace(0, len(crops) - 1, most).round().astype(np.intp)
    return Crops(crops.images[rows], crops.background[rows])


def _told(
    said: Outputs,
    calibration: Calibration,
    fit: SiteFit,
    origin: Origin,
    site: Site,
    settings: AdaptationSettings,
) -> Adapted:
    served = serve(said, calibration)
    rejected = np.zeros(len(said), np.bool_) if served.rejected is None else served.rejected
    flagged = np.zeros(len(said), np.bool_) if served.flagged is None else served.flagged
    kept = ~rejected
    return Adapted(
        source=site.source,
        source_sha256=site.sha256,
        synthetic=site.synthetic,
        frames=site.frames,
        cells=len(said),
        white_cells=fit.white_cells,
        rejected=float(rejected.mean()),
        flagged=float(flagged[kept].mean()) if kept.any() else 0.0,
        shares=fit.shares,
        priors="estimated" if settings.priors == "estimate" else "kept",
        prior_cells=settings.prior_cells,
        layers=tuple(
            LayerMove(layer=one.layer, mean=one.mean, log_sd=one.log_sd) for one in fit.layers
        ),
        from_name=origin.name,
        from_sha256=origin.sha256,
    )


def _relabelled(card: Card, adapted: Adapted) -> Card:
    """The card of another model than the one it was: by name, version and description."""
    cells = "simulated cells (synthetic)" if adapted.synthetic else "cells"
    description = (
        f"{card.description} Its normalisation was fitted to {adapted.cells} unlabelled {cells} of {adapted.source}; "
        "temperature, intervals, sets of classes and thresholds are those from before, and whether they keep what they "
        "promise there was not measured; figures measured before are left out."
    )
    return card.model_copy(
        update={
            "name": card.name[: _LONGEST_NAME - len(_SUFFIX)] + _SUFFIX,
            "version": f"{card.version}+{adapted.source_sha256[:8]}"[-_LONGEST_VERSION:],
            "description": description,
            "metrics": (),
            "training_population": None,
            "adapted": adapted,
        }
    )
