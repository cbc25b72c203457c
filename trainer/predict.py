"""Running a trained graph over a cell set, in batches, as arrays."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from phenostream.engine.types import F32
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Predictions:
    """Uncalibrated outputs for N cells.

    Attributes:
        class_logits: (N, 3).
        marker_z: (N, 4).
        reject_logit: (N,).
        feature: (N, 256).
        marker_log_sd: (N, 4), natural logarithm of the standard deviation of what `marker_z` is wrong by.
    """

    class_logits: F32
    marker_z: F32
    reject_logit: F32
    feature: F32
    marker_log_sd: F32


def predict(graph: BundleGraph, cells: CellSet, narrow: torch.dtype | None = None) -> Predictions:
    """Evaluate the graph on every cell.

    Args:
        graph: Put into evaluation mode.
        cells: What to evaluate.
        narrow: Compute the body in this type, which is quicker; good enough to select by.
    """
    graph.eval()
    parts = []
    device = next(graph.parameters()).device
    autocast = torch.autocast(device.type, narrow or torch.bfloat16, enabled=narrow is not None)
    with torch.inference_mode(), autocast:
        for start in range(0, len(cells), _BATCH):
            images = torch.from_numpy(cells.images[start : start + _BATCH]).to(device)
            background = torch.from_numpy(cells.background[start : start + _BATCH]).to(device)
            raw = graph.raw(images, background)
            parts.append([getattr(raw, field.name).cpu().numpy() for field in fields(Predictions)])
    return Predictions(*(np.concatenate(column) for column in zip(*parts, strict=True)))
