"""What batch normalisations go by: the mean and variance of every channel, as they are and as some inputs have them.

Knows torch modules with live batch normalisations and their inputs; knows neither cells nor bundles.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from phenostream.engine.errors import BadInput, EngineFault


@dataclass(frozen=True, slots=True)
class Moments:
    """Of one layer's input.

    Attributes:
        mean: (C,) float64.
        variance: (C,) float64, over inputs and places; of the whole, not an estimate from a sample.
    """

    mean: Tensor
    variance: Tensor


Statistics = Mapping[str, Moments]
"""By name of the layer in its module."""


def live_norms(module: nn.Module) -> dict[str, _BatchNorm]:
    """The batch normalisations inside that keep statistics, by name.

    Raises:
        BadInput: There is none: they were folded, or the network has another kind.
    """
    found = {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    }
    if not found:
        raise BadInput("the network has no batch normalisation, so there is nothing to adapt in it")
    return found


def kept_statistics(module: nn.Module) -> dict[str, Moments]:
    """What the batch normalisations inside go by now."""
    return {
        name: Moments(*(column.detach().double().clone() for column in _columns(name, layer)))
        for name, layer in live_norms(module).items()
    }


def keep_statistics(module: nn.Module, statistics: Statistics) -> None:
    """Have the batch normalisations inside go by these from now on; those not named stay as they are."""
    with torch.no_grad():
        for name, layer in live_norms(module).items():
            if name in statistics:
                mean, variance = _columns(name, layer)
                mean.copy_(statistics[name].mean)
                variance.copy_(statistics[name].variance)


def measured_statistics(
    module: nn.Module,
    batches: Sequence[Tensor],
    weights: Tensor | None = None,
    on_output: Callable[[Any], object] = lambda _output: None,
) -> dict[str, Moments]:
    """What the inputs of the batch normalisations inside are like, in evaluation mode, as they stand.

    Args:
        module: Called with each batch; its statistics are not changed, its mode is the same afterwards.
        batches: Inputs, the first axis of each counting them.
        weights: (N,) how much each input counts, over all batches; None: each counts 1.
        on_output: Called with what the module says of each batch, in order.

    Raises:
        BadInput: Not one weight per input, a weight below 0 or not finite, or no input that counts.
    """
    rows = sum(len(batch) for batch in batches)
    counted = torch.ones(rows) if weights is None else weights.detach().cpu()
    if counted.shape != (rows,):
        raise BadInput(f"weights: {tuple(counted.shape)} for {rows} inputs, allowed one for each")
    if not (torch.isfinite(counted).all() and (counted >= 0).all() and counted.sum() > 0):
        raise BadInput(
            "weights: allowed finite numbers of 0 or more, and one at least that is above 0"
        )
    sums = {name: _Sums(*_columns(name, layer)) for name, layer in live_norms(module).items()}
    layers = live_norms(module)
    with evaluating(module), torch.inference_mode():
        for batch, some in zip(
            batches, torch.split(counted, [len(b) for b in batches]), strict=True
        ):
            handles = [
                layer.register_forward_pre_hook(sums[name].watching(some))
                for name, layer in layers.items()
            ]
            try:
                on_output(module(batch))
            finally:
                for handle in handles:
                    handle.remove()
    return {name: found.moments() for name, found in sums.items() if found.weight > 0}


def sweep(
    module: nn.Module, inputs: Tensor, weights: Tensor, rule: Callable[[str, Moments], Moments]
) -> Any:
    """One pass in which each batch normalisation, when its turn comes, takes statistics made of its own input.

    Every layer then stands on layers that are done: one pass, where changing all at once needs as many as there are
    layers in a row and gives nonsense in between. All inputs are held at once.

    Args:
        module: Called with the inputs, in evaluation mode; its mode is the same afterwards.
        inputs: The first axis counts them.
        weights: (N,) how much each counts, 0 or more, some above 0.
        rule: From a layer's name and the moments of its input to what it shall go by.

    Returns:
        What the module says of the inputs, normalised so.
    """
    share = weights.double() / weights.double().sum()

    def taking(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def take(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
            taken = rule(name, _moments(given[0], share))
            keep_statistics(layer, {"": taken})

        return take

    with evaluating(module), torch.no_grad():
        handles = [
            layer.register_forward_pre_hook(taking(name))
            for name, layer in live_norms(module).items()
        ]
        try:
            return module(inputs)
        finally:
            for handle in handles:
                handle.remove()


def pooled(parts: Sequence[Statistics], shares: Sequence[float]) -> dict[str, Moments]:
    """The statistics of a mixture, by the law of total variance.

    Args:
        parts: Of each component; every one names the same layers.
        shares: Of the components, 1 in all.
    """
    mixture = {}
    for name in parts[0]:
        weight = torch.tensor(shares, dtype=torch.float64)[:, None]
        means = torch.stack([part[name].mean for part in parts])
        variances = torch.stack([part[name].variance for part in parts])
        mean = (weight * means).sum(0)
        mixture[name] = Moments(mean, (weight * (variances + (means - mean).square())).sum(0))
    return mixture


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and each of its parts back into its own afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


class _Sums:
    """Weighted sums of one layer's input, about its running mean so that nothing is lost in float64."""

    def __init__(self, centre: Tensor, _: Tensor) -> None:
        self._centre = centre.detach().clone()
        self._first = torch.zeros(len(centre), dtype=torch.float64)
        self._second = torch.zeros(len(centre), dtype=torch.float64)
        self.weight = 0.0

    def watching(self, weights: Tensor) -> "_Watch":
        return _Watch(self, weights.double())

    def add(self, x: Tensor, weights: Tensor) -> None:
        apart = x.float().flatten(2) if x.ndim > 2 else x.float()[:, :, None]
        apart = apart - self._centre[:, None]
        self._first += weights @ apart.mean(dim=2).double().cpu()
        self._second += weights @ apart.square().mean(dim=2).double().cpu()
        self.weight += float(weights.sum())

    def moments(self) -> Moments:
        mean = self._first / self.weight
        variance = (self._second / self.weight - mean.square()).clamp(min=0)
        return Moments(mean + self._centre.double().cpu(), variance)


@dataclass(frozen=True, slots=True)
class _Watch:
    """A forward pre-hook: adds what a layer is given to its sums."""

    sums: _Sums
    weights: Tensor

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.sums.add(inputs[0], self.weights)


def _moments(x: Tensor, share: Tensor) -> Moments:
    """Of inputs (N, C, ...) that count by these shares (N,), 1 in all."""
    wide = x.float().reshape(*x.shape[:2], -1)
    mean = share @ wide.mean(dim=2).double()
    apart = (wide - mean.float()[:, None]).square_()
    return Moments(mean, share @ apart.mean(dim=2).double())


def _columns(name: str, layer: _BatchNorm) -> tuple[Tensor, Tensor]:
    if layer.running_mean is None or layer.running_var is None:
        raise EngineFault(f"{name}: keeps a mean without a variance")
    return layer.running_mean, layer.running_var
