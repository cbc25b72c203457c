"""A live network fitted to a site's unlabelled cells, whatever its mix of classes.

What a layer sees at a site differs from what it saw in the training for two reasons: the instrument, which is to be
mended, and the shares of the classes, which are not. So the site's white cells, each counted by its probability of
being one, are compared with the training's held-out white cells mixed in the site's own estimated shares. Shares and
weights are what the model says once it is fitted, so they are found sweep by sweep, from the training's own shares.
"""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Calibration
from phenostream.engine.types import Crops
from phenostream.trainer.adaptation.mix import estimated_shares, restated
from phenostream.trainer.adaptation.norms import (
    LayerShift,
    effective_inputs,
    fitted,
    shifts,
)
from phenostream.trainer.adaptation.reference import NormReference, network_input
from phenostream.trainer.adaptation.settings import AdaptationSettings
from phenostream.trainer.adaptation.statistics import (
    Moments,
    Statistics,
    keep_statistics,
    kept_statistics,
    sweep,
)
from phenostream.trainer.calibration.probabilities import probabilities
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.network.model import RawOutputs

logger = logging.getLogger(__name__)

F64 = npt.NDArray[np.float64]
_MOST_SWEEPS: Final = 6
"""Good fits settle in two to four; shares that still move then run away with the model's own error."""
_SETTLED: Final = 0.01
"""No share may still move by more."""
_LEAST_WEIGHT: Final = 1e-4


@dataclass(frozen=True, slots=True)
class SiteFit:
    """What was found.

    Attributes:
        shares: (3,) of the classes among the white cells; the training's prior has a small say in them.
        class_cells: (3,) cells of each class, each counted by its probability of being one, in these shares.
        white_cells: Cells, each counted by its probability of being white.
        layers: How far each layer moved.
        sweeps: Over the cells.
        settled: Nothing moved any more when it ended.
    """

    shares: tuple[float, float, float]
    class_cells: tuple[float, float, float]
    white_cells: float
    layers: tuple[LayerShift, ...]
    sweeps: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What the network said of each cell: probabilities (N, 3), and of being a white cell (N,)."""

    probability: F64
    white: Tensor

    @classmethod
    def of(cls, raw: RawOutputs, calibration: Calibration) -> "Said":
        """Of raw outputs and the calibration that gives them a meaning.

        Raises:
            BadInput: They are not finite.
        """
        logits = raw.class_logits.float().numpy()
        p = probabilities(logits, calibration.temperature, calibration.class_bias)
        white = torch.sigmoid(-raw.reject_logit.double()).clamp(min=_LEAST_WEIGHT)
        if not (np.isfinite(p).all() and bool(torch.isfinite(white).all())):
            raise BadInput("what the model says of these cells is not finite")
        return cls(p, white)


def fit_site(
    graph: BundleGraph,
    reference: NormReference,
    calibration: Calibration,
    crops: Crops,
    settings: AdaptationSettings,
) -> SiteFit:
    """Fit the normalisation of a calibrated graph to a site's cells, in place.

    Args:
        graph: With live batch normalisations, as it was trained.
        reference: Of it.
        calibration: Of it; its probabilities hold for the shares of its prior.
        crops: The site's; some 2 MB of memory each.
        settings: How.

    Raises:
        BadInput: The model's calibration does not tell for which shares it holds; or what a layer sees of these cells,
            or the model says of them, is not finite. The graph is then as it was.
    """
    if calibration.prior is None:
        raise BadInput("calibration: the model does not tell for which shares of classes it holds")
    prior = calibration.prior.shares
    phenotyper = graph.phenotyper
    inputs = torch.cat(network_input(graph, crops))
    training = kept_statistics(phenotyper)
    shares, moved, sweeps = np.asarray(prior), 1.0, 0
    try:
        with torch.no_grad():
            said = Said.of(phenotyper.eval()(inputs), calibration)
        while moved > _SETTLED and sweeps < _MOST_SWEEPS:
            expected = reference.mixed(shares.tolist())
            count = effective_inputs([], said.white)
            part = count / (count + settings.prior_cells)

            def rule(
                name: str,
                seen: Moments,
                expected: Statistics = expected,
                part: float = part,
            ) -> Moments:
                return fitted(name, training[name], expected[name], seen, part)

            said = Said.of(sweep(phenotyper, inputs, said.white, rule), calibration)
            earlier = shares
            shares = estimated_shares(said.probability, said.white.numpy(), prior)
            moved = float(np.abs(shares - earlier).max())
            sweeps += 1
            logger.info("sweep %d: shares %s, moved by %.4f", sweeps, shares.round(3), moved)
    except BadInput:
        keep_statistics(phenotyper, training)
        raise
    counted = said.white.numpy() @ restated(said.probability, prior, shares)
    return SiteFit(
        _three(shares),
        _three(counted),
        float(said.white.sum()),
        shifts(training, kept_statistics(phenotyper)),
        sweeps,
        moved <= _SETTLED,
    )


def _three(values: F64) -> tuple[float, float, float]:
    one, other, third = (float(value) for value in values)
    return one, other, third
