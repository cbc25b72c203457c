"""The four parts of the training loss, each over the rows where its target exists.

Class: 0.7 focal (gamma 2) + 0.3 label-smoothed cross-entropy, as published (SPEC c.1), unweighted. Markers: smooth L1
per marker over its unmasked rows, then the mean over markers, so that neither a rare marker nor the batch size changes
its weight. Reject: binary cross-entropy. Spread: Gaussian likelihood of the residual, which gets no gradient from it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from phenostream.trainer.model import RawOutputs


@dataclass(frozen=True, slots=True)
class Targets:
    """What a batch should have said.

    Attributes:
        kind: (B,) int64, class index; 3 and above = to be rejected, no class; negative = nobody knows.
        marker_z: (B, 4) float32.
        marker_mask: (B, 4) bool.
    """

    kind: Tensor
    marker_z: Tensor
    marker_mask: Tensor


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the parts in the sum."""

    classes: float = 1.0
    markers: float = 0.5
    reject: float = 0.5
    spread: float = 0.5


def total_loss(raw: RawOutputs, targets: Targets, weights: LossWeights) -> Tensor:
    """The weighted sum, a scalar that is finite for every mask."""
    return (
        weights.classes * class_loss(raw.class_logits.float(), targets.kind)
        + weights.markers * marker_loss(raw.marker_z.float(), targets.marker_z, targets.marker_mask)
        + weights.reject * reject_loss(raw.reject_logit.float(), targets.kind)
        + weights.spread
        * spread_loss(
            raw.marker_log_sd.float(),
            raw.marker_z.float(),
            targets.marker_z,
            targets.marker_mask,
        )
    )


def class_loss(logits: Tensor, kind: Tensor, smoothing: float = 0.1) -> Tensor:
    """Focal and smoothed cross-entropy over the rows that have a class; 0 where none has."""
    white = (kind >= 0) & (kind < logits.shape[1])
    count = white.sum().clamp(min=1)
    target = torch.where(white, kind, 0)
    log_p = torch.log_softmax(logits, dim=1)
    nll = -log_p.gather(1, target[:, None])[:, 0]
    focal = (1 - torch.exp(-nll)).square() * nll
    smooth = (1 - smoothing) * nll - smoothing * log_p.mean(dim=1)
    return ((0.7 * focal + 0.3 * smooth) * white).sum() / count


def marker_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Smooth L1 per marker over unmasked rows, then over the markers that have any; 0 where none has."""
    apart = functional.smooth_l1_loss(predicted, torch.where(mask, target, 0.0), reduction="none")
    rows = mask.sum(dim=0)
    per_marker = (apart * mask).sum(dim=0) / rows.clamp(min=1)
    return per_marker.sum() / (rows > 0).sum().clamp(min=1)


def spread_loss(log_sd: Tensor, predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Negative Gaussian log likelihood (without its constant) of each residual; means taken as in `marker_loss`."""
    residual = predicted.detach() - torch.where(mask, target, 0.0)
    apart = log_sd + 0.5 * residual.square() * torch.exp(-2 * log_sd)
    rows = mask.sum(dim=0)
    per_marker = (apart * mask).sum(dim=0) / rows.clamp(min=1)
    return per_marker.sum() / (rows > 0).sum().clamp(min=1)


def reject_loss(logit: Tensor, kind: Tensor, classes: int = 3) -> Tensor:
    """Binary cross-entropy of "this is no white cell" over the rows of which that is known; 0 where none is."""
    known = kind >= 0
    apart = functional.binary_cross_entropy_with_logits(
        logit, (kind >= classes).float(), reduction="none"
    )
    return (apart * known).sum() / known.sum().clamp(min=1)
