"""The marker branch fitted on after a training, on a feature that no longer moves.

The shared feature knows more of a cell's size and maturity than the marker head makes of it while everything learns
under heavy dropout. Here the head and its half of the task gate go on alone, without dropout: seconds instead of
epochs. Classes, rejection and the feature stay what they were.
"""

import math
from typing import Final

import numpy as np
import torch
from torch import nn

from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.predict import predict
from phenostream.trainer.training.losses import Targets, marker_loss
from phenostream.trainer.training.recipe import within_class_sd

MOST_CELLS: Final = 9_000
"""Cells that are enough for this part of the network."""
STEPS: Final = 1_500
_BATCH: Final = 512
_PEAK_RATE: Final = 1e-3
_WEIGHT_DECAY: Final = 0.01
_CLIP_NORM: Final = 1.0


def fit_marker_branch(
    graph: BundleGraph,
    cells: CellSet,
    seed: int,
    narrow: torch.dtype | None = None,
    steps: int = STEPS,
) -> None:
    """Fit what stands between the two refined features and the marker estimates, in place.

    Residuals are judged in units of their class' own spread, as with ``marker_unit`` ``within-class``.

    Args:
        graph: Trained, of the published shape; its marker transform set.
        cells: With the targets to learn; an even choice of the white ones is used.
        seed: Of the order.
        narrow: Type in which the frozen part computes; None is float32.
        steps: Of the optimiser.
    """
    known = np.flatnonzero(cells.white & cells.marker_mask.any(axis=1))
    white = cells.select(known[:: max(1, math.ceil(len(known) / MOST_CELLS))])
    feature = torch.from_numpy(predict(graph, white, narrow).feature)
    targets = Targets(
        kind=torch.from_numpy(white.kind).long(),
        marker_z=graph.target_z(torch.from_numpy(white.marker_log10)),
        marker_mask=torch.from_numpy(white.marker_mask),
    )
    units = within_class_sd(targets)[targets.kind]
    network = graph.phenotyper.network
    with torch.no_grad():
        classes, markers = network.cls_refinement(feature), network.reg_refinement(feature)
    gating = network.task_gating
    moving: list[nn.Module] = [
        gating.reg_gate, gating.reg_mix, gating.reg_norm, network.regressor,
    ]  # fmt: skip
    parameters = [p for module in moving for p in module.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=_PEAK_RATE, weight_decay=_WEIGHT_DECAY)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = _PEAK_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        rows = torch.randint(len(feature), (min(_BATCH, len(feature)),), generator=generator)
        z = network.regressor(gating(classes[rows], markers[rows])[1])
        unit, own = units[rows], targets.rows(rows)
        loss = marker_loss(z / unit, own.marker_z / unit, own.marker_mask)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, _CLIP_NORM)
        optimiser.step()
