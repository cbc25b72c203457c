"""The spread head fitted again after a training whose targets carried no noise.

A head taught beside expected levels has seen only what the network gets wrong, not what no image shows. Here it learns
the residuals of measured levels; nothing else in the network moves.
"""

import math
from typing import Final

import numpy as np
import torch

from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.network.model import LARGEST_LOG_SD
from phenostream.trainer.predict import predict
from phenostream.trainer.training.losses import spread_loss

MOST_CELLS: Final = 9_000
"""Cells that are enough for a head of 64 hidden units."""
STEPS: Final = 800
_BATCH: Final = 512
_PEAK_RATE: Final = 3e-3


def fit_spread(
    graph: BundleGraph,
    cells: CellSet,
    seed: int,
    narrow: torch.dtype | None = None,
    steps: int = STEPS,
) -> float:
    """Fit the spread head in place on the residuals of measured levels.

    Args:
        graph: Trained; its marker transform set.
        cells: With measured levels; an even choice of the white ones is used.
        seed: Of the order.
        narrow: Type in which the frozen part computes; None is float32.
        steps: Of the optimiser.

    Returns:
        The mean loss of the last tenth of the steps (a negative Gaussian log likelihood without its constant).
    """
    known = np.flatnonzero(cells.white & cells.marker_mask.any(axis=1))
    white = cells.select(known[:: max(1, math.ceil(len(known) / MOST_CELLS))])
    said = predict(graph, white, narrow)
    feature, z = torch.from_numpy(said.feature), torch.from_numpy(said.marker_z)
    target = graph.target_z(torch.from_numpy(white.marker_log10))
    mask = torch.from_numpy(white.marker_mask)
    head = graph.phenotyper.spread
    optimiser = torch.optim.Adam(head.parameters(), lr=_PEAK_RATE)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = _PEAK_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        rows = torch.randint(len(z), (min(_BATCH, len(z)),), generator=generator)
        log_sd = head(feature[rows]).clamp(-LARGEST_LOG_SD, LARGEST_LOG_SD)
        loss = spread_loss(log_sd, z[rows], target[rows], mask[rows])
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-max(1, steps // 10) :]))
