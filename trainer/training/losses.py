"""The four parts of the training loss, each over the rows where its target exists.

Class: 0.7 focal (gamma 2) + 0.3 label-smoothed cross-entropy, as published (SPEC c.1). Markers: smooth L1 per marker
over its unmasked rows, then the mean over markers, so that neither a rare marker nor the batch size changes its weight.
Reject: binary cross-entropy. Spread: Gaussian likelihood of the residual, which gets no gradient from it.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from phenostream.engine.types import CLASSES
from phenostream.trainer.network.model import RawOutputs

_CLASSES: Final = len(CLASSES)
_SMOOTHING: Final = 0.1


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

    def rows(self, index: Tensor | slice) -> "Targets":
        """Those of some cells."""
        return Targets(self.kind[index], self.marker_z[index], self.marker_mask[index])


@dataclass(frozen=True, slots=True)
class Counts:
    """What each part of the loss is divided by; with several processes, of the batch over all of them.

    Attributes:
        white: Cells that have a class.
        known: Cells of which it is known whether they are white.
        markers: (4,), cells that have a target.
    """

    white: Tensor
    known: Tensor
    markers: Tensor

    @classmethod
    def of(cls, targets: Targets) -> "Counts":
        """Count a batch."""
        known = targets.kind >= 0
        white = known & (targets.kind < _CLASSES)
        return cls(white.sum(), known.sum(), targets.marker_mask.sum(dim=0))


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the parts in the sum.

    Attributes:
        classes, markers, reject, spread: Of each part.
        kinds: (3,) of the classes among each other in the class loss, or None for equal ones.
        marker_unit: (3, 4) in what unit of z the residual of a class' marker is judged, or None for 1.
    """

    classes: float = 1.0
    markers: float = 0.5
    reject: float = 0.5
    spread: float = 0.5
    kinds: Tensor | None = None
    marker_unit: Tensor | None = None


def total_loss(
    raw: RawOutputs, targets: Targets, weights: LossWeights, counts: Counts | None = None
) -> Tensor:
    """The weighted sum, a scalar that is finite for every mask.

    Args:
        raw: Of these cells.
        targets: Of these cells.
        weights: Of the parts; a part of weight 0 is left out.
        counts: Of the whole batch where these cells are a share of it; the shares' losses add up to the batch's.
    """
    counts = counts or Counts.of(targets)
    z, log_sd = raw.marker_z.float(), raw.marker_log_sd.float()
    want, mask, kind = targets.marker_z, targets.marker_mask, targets.kind
    unit = _marker_unit(weights.marker_unit, kind)
    loss = weights.classes * class_loss(
        raw.class_logits.float(), kind, weights.kinds, counts.white
    ) + weights.markers * marker_loss(z / unit, want / unit, mask, counts.markers)
    if weights.reject:
        loss = loss + weights.reject * reject_loss(raw.reject_logit.float(), kind, counts.known)
    if weights.spread:
        loss = loss + weights.spread * spread_loss(log_sd, z, want, mask, counts.markers)
    return loss


def _marker_unit(units: Tensor | None, kind: Tensor) -> Tensor:
    """(B, 4) or (1, 1): the unit of each row by its class, 1 where it has none."""
    if units is None:
        return torch.ones((1, 1), device=kind.device)
    white = (kind >= 0) & (kind < _CLASSES)
    return torch.where(white[:, None], units[torch.where(white, kind, 0)], 1.0)


def class_loss(
    logits: Tensor, kind: Tensor, weights: Tensor | None = None, count: Tensor | None = None
) -> Tensor:
    """Focal and smoothed cross-entropy over the rows that have a class; 0 where none has.

    Args:
        logits: (B, 3).
        kind: (B,).
        weights: (3,) of each row by its class, of mean 1 over the training cells; None: 1.
        count: Rows to divide by; None: those that have a class.
    """
    white = (kind >= 0) & (kind < logits.shape[1])
    target = torch.where(white, kind, 0)
    log_p = torch.log_softmax(logits, dim=1)
    nll = -log_p.gather(1, target[:, None])[:, 0]
    focal = (1 - torch.exp(-nll)).square() * nll
    smooth = (1 - _SMOOTHING) * nll - _SMOOTHING * log_p.mean(dim=1)
    row_weight = white if weights is None else white * weights[target]
    divisor = (white.sum() if count is None else count).clamp(min=1)
    return ((0.7 * focal + 0.3 * smooth) * row_weight).sum() / divisor


def marker_loss(
    predicted: Tensor, target: Tensor, mask: Tensor, rows: Tensor | None = None
) -> Tensor:
    """Smooth L1 per marker over unmasked rows, then over the markers that have any; 0 where none has.

    Args:
        predicted: (B, 4).
        target: (B, 4); anything where masked.
        mask: (B, 4).
        rows: (4,) to divide by; None: the unmasked ones.
    """
    apart = functional.smooth_l1_loss(predicted, torch.where(mask, target, 0.0), reduction="none")
    return _mean_over_markers(apart, mask, rows)


def spread_loss(
    log_sd: Tensor, predicted: Tensor, target: Tensor, mask: Tensor, rows: Tensor | None = None
) -> Tensor:
    """Negative Gaussian log likelihood (without its constant) of each residual; means taken as in `marker_loss`."""
    residual = predicted.detach() - torch.where(mask, target, 0.0)
    apart = log_sd + 0.5 * residual.square() * torch.exp(-2 * log_sd)
    return _mean_over_markers(apart, mask, rows)


def reject_loss(logit: Tensor, kind: Tensor, count: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of "this is no white cell" over the rows of which that is known; 0 where none is."""
    known = kind >= 0
    apart = functional.binary_cross_entropy_with_logits(
        logit, (kind >= _CLASSES).float(), reduction="none"
    )
    return (apart * known).sum() / (known.sum() if count is None else count).clamp(min=1)


def _mean_over_markers(apart: Tensor, mask: Tensor, rows: Tensor | None) -> Tensor:
    rows = mask.sum(dim=0) if rows is None else rows
    per_marker = (apart * mask).sum(dim=0) / rows.clamp(min=1)
    return per_marker.sum() / (rows > 0).sum().clamp(min=1)
