"""Batch normalisation fitted to other inputs than those of the training: AdaBN, by shares and against a reference.

Each channel is taken to be scaled and moved from what it was in a reference, and its training statistics are scaled and
moved likewise; where the training statistics are the reference, that is AdaBN (Li et al., "Revisiting batch
normalization for practical domain adaptation", 2016). A reference of the same mix of kinds keeps the mix from being
taken for a shift; blending with the training statistics is Schneider et al.'s (NeurIPS 2020). No weight is changed and
no label is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from phenostream.engine.errors import BadInput
from phenostream.trainer.adaptation.statistics import (
    Moments,
    Statistics,
    keep_statistics,
    kept_statistics,
    measured_statistics,
)

_SETTLED: Final = 1e-4
"""Standard deviations, and logarithms of them, that no channel may still move by."""
_LEAST_VARIANCE: Final = 1e-5
"""Added to every variance, as the layers themselves do: a channel that is silent has no logarithm."""


@dataclass(frozen=True, slots=True)
class LayerShift:
    """How far one layer's statistics are from those of the training.

    Attributes:
        layer: Its name.
        mean: Mean over channels of the distance of the means, in standard deviations of the training.
        log_sd: Mean over channels of the distance of the standard deviations' natural logarithms.
    """

    layer: str
    mean: float
    log_sd: float


def adapt_norms(
    module: nn.Module,
    batches: Sequence[Tensor],
    weights: Tensor | None = None,
    *,
    reference: Statistics | None = None,
    prior_inputs: float = 0.0,
) -> tuple[LayerShift, ...]:
    """Fit the batch normalisations inside to these inputs, in place, the first layer first.

    A layer's input depends on the layers before it, so passes over the inputs go on until no layer moves: as many as
    there are layers in a row, and one.

    Args:
        module: Called with each batch, in evaluation mode; its mode is the same afterwards.
        batches: Inputs, the first axis of each counting them; all of them count as one set.
        weights: (N,) how much each input counts; None: each counts 1.
        reference: What such inputs gave on the training's cells; None: the training's own statistics.
        prior_inputs: The training's statistics count as so many inputs, beside the effective number of these.

    Returns:
        How far each layer moved, in the order of the network.

    Raises:
        BadInput: There is nothing to adapt, the weights are impossible, or a statistic is not finite; nothing is
            changed then.
    """
    training = kept_statistics(module)
    expected = training if reference is None else reference
    part = _part(batches, weights, prior_inputs)
    now: Statistics = training
    try:
        for _ in range(len(training) + 1):
            before, found = now, measured_statistics(module, batches, weights)
            now = step(training, expected, found, part)
            keep_statistics(module, now)
            if furthest(before, now) < _SETTLED:
                break
    except BadInput:
        keep_statistics(module, training)
        raise
    return shifts(training, now)


def step(
    training: Statistics, expected: Statistics, found: Statistics, part: float
) -> dict[str, Moments]:
    """The training's statistics, moved by a part of what was found beside what was expected.

    Args:
        training: To move.
        expected: Of inputs as the training had them.
        found: Of other inputs; layers that are not among them stay.
        part: 0 leaves everything, 1 takes what was found for true.

    Raises:
        BadInput: What was found is not finite.
    """
    moved = {
        name: fitted(name, training[name], expected[name], seen, part)
        for name, seen in found.items()
    }
    return {**training, **moved}


def fitted(name: str, own: Moments, usual: Moments, seen: Moments, part: float) -> Moments:
    """One layer's training statistics, scaled and moved by a part of what was seen beside what is usual.

    Raises:
        BadInput: What was seen is not finite; it names the layer.
    """
    if not (torch.isfinite(seen.mean).all() and torch.isfinite(seen.variance).all()):
        raise BadInput(f"{name}: its input has no finite mean and variance on these cells")
    factor = _padded(seen) / _padded(usual)
    mean = seen.mean + factor.sqrt() * (own.mean - usual.mean)
    return Moments(
        own.mean + part * (mean - own.mean),
        (_padded(own) * factor**part - _LEAST_VARIANCE).clamp(min=0),
    )


def effective_inputs(batches: Sequence[Tensor], weights: Tensor | None) -> float:
    """How many inputs of equal weight would say as much (Kish)."""
    if weights is None:
        return float(sum(len(batch) for batch in batches))
    wide = weights.double()
    return float(wide.sum().square() / wide.square().sum())


def shifts(training: Statistics, now: Statistics) -> tuple[LayerShift, ...]:
    """How far every layer is from its training statistics."""
    found = []
    for name, own in training.items():
        mean = ((now[name].mean - own.mean) / _padded(own).sqrt()).abs().mean()
        log_sd = (_padded(now[name]) / _padded(own)).log().abs().mean() / 2
        found.append(LayerShift(name, float(mean), float(log_sd)))
    return tuple(found)


def _padded(moments: Moments) -> Tensor:
    return moments.variance + _LEAST_VARIANCE


def _part(batches: Sequence[Tensor], weights: Tensor | None, prior_inputs: float) -> float:
    if not (math.isfinite(prior_inputs) and prior_inputs >= 0):
        raise BadInput(f"prior_inputs: {prior_inputs}, allowed finite numbers of 0 or more")
    count = effective_inputs(batches, weights)
    return count / (count + prior_inputs)


def furthest(before: Statistics, after: Statistics) -> float:
    """The largest move of any channel, in standard deviations or their logarithm."""
    worst = 0.0
    for name, own in before.items():
        mean = ((after[name].mean - own.mean) / _padded(own).sqrt()).abs().max()
        log_sd = (_padded(after[name]) / _padded(own)).log().abs().max() / 2
        worst = max(worst, float(mean), float(log_sd))
    return worst
