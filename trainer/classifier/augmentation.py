"""Changes of a batch of pictures after which each shows the same cell; drawn from a generator, one draw per picture.

All geometry of a picture is one resampling, so that it is blurred by interpolation once. Beyond the edge the picture is
mirrored. Pixels stay in 0 to 255.
"""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from phenostream.trainer.classifier.settings import AugmentationSettings

_BLUR_REACH: Final = 2.5
"""Of a blur kernel, in its sd."""


def augment(images: Tensor, how: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """Each picture of (B, C, S, S), 0 to 255, under a change of its own; float32 of the same shape.

    Args:
        images: Of any type, on the CPU.
        how: By how much.
        generator: Advanced by the same numbers for the same settings and shape, whatever the pixels.
    """
    draw = _Draw(len(images), generator)
    x = _flip_and_turn(images.float(), how, draw)
    if how.rotation_deg or how.scale or how.stretch or how.shear or how.shift:
        x = _resample(x, how, draw)
    x = _tone(x, how, draw)
    if how.blur_px:
        x = _blur(x, draw.even(0, how.blur_px), how.blur_px)
    if how.noise:
        share = draw.even(0, 255 * how.noise)[:, None, None, None]
        x = x + share * torch.randn(x.shape, generator=generator)
    if how.erased:
        x = _erase(x, how.erased, draw)
    return x.clamp(0, 255)


class _Draw:
    """One number per picture at a time."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._count, self._generator = count, generator

    def even(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self._count, generator=self._generator)

    def normal(self, sd: float) -> Tensor:
        return sd * torch.randn(self._count, generator=self._generator)

    def which(self, choices: int) -> Tensor:
        return torch.randint(choices, (self._count,), generator=self._generator)


def _flip_and_turn(x: Tensor, how: AugmentationSettings, draw: _Draw) -> Tensor:
    if how.flips != "none":
        x = _where(draw.which(2) == 1, x.flip(2), x)
    if how.flips == "both":
        x = _where(draw.which(2) == 1, x.flip(3), x)
    if how.turns:
        turns = draw.which(4)
        for count in (1, 2, 3):
            x = _where(turns == count, torch.rot90(x, count, (2, 3)), x)
    return x


def _where(rows: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return torch.where(rows[:, None, None, None], one, other)


def _resample(x: Tensor, how: AugmentationSettings, draw: _Draw) -> Tensor:
    """Rotation, size, stretch, shear and shift about the middle, bilinear."""
    angle = draw.even(-how.rotation_deg, how.rotation_deg) * (math.pi / 180)
    size = draw.even(-how.scale, how.scale)
    stretch = draw.even(-how.stretch, how.stretch) / 2
    shear = draw.even(-how.shear, how.shear)
    shift = torch.stack([draw.even(-2 * how.shift, 2 * how.shift) for _ in range(2)], dim=1)
    cos, sin, one, none = torch.cos(angle), torch.sin(angle), torch.ones(len(x)), torch.zeros(len(x))  # fmt: skip
    rotation = torch.stack([cos, -sin, sin, cos], dim=1).reshape(-1, 2, 2)
    slant = torch.stack([one, shear, none, one], dim=1).reshape(-1, 2, 2)
    scaled = torch.stack([torch.exp(-size - stretch), torch.exp(-size + stretch)], dim=1)
    linear = rotation @ slant * scaled[:, None, :]
    grid = functional.affine_grid(
        torch.cat([linear, shift[:, :, None]], dim=2), list(x.shape), align_corners=False
    )
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _tone(x: Tensor, how: AugmentationSettings, draw: _Draw) -> Tensor:
    if how.gamma:
        power = torch.exp(draw.normal(how.gamma))[:, None, None, None]
        x = 255 * (x / 255).clamp(1e-3, 1) ** power
    if how.plane_gain:
        gain = torch.stack([draw.normal(how.plane_gain) for _ in range(x.shape[1])], dim=1)
        x = x * torch.exp(gain)[:, :, None, None]
    if how.saturation:
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * torch.exp(draw.normal(how.saturation))[:, None, None, None]
    if how.contrast:
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = mean + (x - mean) * torch.exp(draw.normal(how.contrast))[:, None, None, None]
    if how.brightness:
        x = x + draw.normal(255 * how.brightness)[:, None, None, None]
    return x


def _blur(x: Tensor, sd: Tensor, largest: float) -> Tensor:
    """Each picture under a Gaussian of its own, rows and columns in turn."""
    reach = max(1, math.ceil(_BLUR_REACH * largest))
    place = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (place / sd[:, None].clamp(min=1e-2)) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(x.shape[1], dim=0)
    flat = x.reshape(1, -1, *x.shape[2:])
    for weights, pad in (
        (kernel[:, None, None, :], (reach, reach, 0, 0)),
        (kernel[:, None, :, None], (0, 0, reach, reach)),
    ):
        padded = functional.pad(flat, pad, mode="replicate")
        flat = functional.conv2d(padded, weights, groups=flat.shape[1])
    return flat.reshape(x.shape)


def _erase(x: Tensor, largest: float, draw: _Draw) -> Tensor:
    """A square of a random side and place, which may lie partly outside, gets the picture's mean."""
    half = draw.even(0, largest)[:, None] * (x.shape[3] / 2)
    row, column = (draw.even(0, x.shape[3])[:, None] for _ in range(2))
    place = torch.arange(x.shape[3])[None] + 0.5
    inside = ((place - row).abs() < half)[:, :, None] & ((place - column).abs() < half)[:, None, :]
    return torch.where(inside[:, None], x.mean(dim=(2, 3), keepdim=True), x)
