"""What physics says of one frame: whether its light adds up, and whether its shots can show cells at all.

Checks flag, they never withhold. Looks at a grid of samples, so that the cost hardly grows with the frame.
"""

from dataclasses import dataclass
from math import hypot, sqrt
from typing import Final

import numpy as np

from phenostream.engine.types import F32, SHOTS, FrameFlags

LEAST_LEVEL: Final = 0.02
"""A background below 2 % of full scale is `dark`: a lamp that is off, or a stage that blocks it. The quantisation of an
8-bit camera (0.4 %) alone is then a fifth of it, as large as a cell's shading."""
WHITE: Final = 0.99
"""A reduced pixel at or above this is saturated: practically every camera pixel under it reads its white level."""
MOST_SATURATED: Final = 0.01
"""From 1 % of a shot's pixels on it is `saturated`. A speck of dust that shines stays below; a lamp too bright,
a gain too high or a wrong `white_level` does not, and every cell there has lost its shading."""
MOST_NOISE: Final = 0.3
"""A camera pixel whose noise exceeds 30 % of its level is `noisy`: fewer than (1 / 0.3)^2 = 11 photoelectrons. Cameras
that microscopes use collect thousands; counts drawn evenly from the full scale have 58 %."""

RESIDUAL_OF_CELLS: Final = 0.07
RESIDUAL_OF_FEW: Final = 1.0
"""Light adds only as far as a cell shifts its phase weakly: the residual of good cells, and how much more of it a frame
may have where few samples shade it, over the square root of their number. Set so that 99.9 % of good simulated frames
are below, of both presets, 150 to 3000 counts, 3 to 120 objects (docs/measurements/orientation.md)."""

_LIGHTLESS: Final = 1e-4
_MEAN_OF_NORMAL: Final = 0.798
"""Mean size of a normal deviate, sqrt(2 / pi)."""
_SAMPLES: Final = 128
_NOISE_SAMPLES: Final = 48
_SHADED: Final = 6.0
_LEAST_SHADED: Final = 16
_SD_OF_MAD: Final = 1.4826


@dataclass(frozen=True, slots=True)
class LightBalance:
    """How well left + right = top + bottom holds in one frame.

    Attributes:
        residual: See `Reduced.four_shot_residual`.
        of_noise: What noise alone makes of it.
        samples: Pixels that were compared: those that the sample shades.
    """

    residual: float
    of_noise: float
    samples: int

    @property
    def high(self) -> bool:
        """The residual is above what noise and good cells explain."""
        of_cells = RESIDUAL_OF_CELLS + RESIDUAL_OF_FEW / sqrt(self.samples)
        return self.residual > hypot(self.of_noise, of_cells)


def saturated_shares(shots: F32) -> F32:
    """(n,) float32: share of each shot's pixels at white. Call it before the shading is divided out.

    Args:
        shots: (n, h, w) float32, fraction of full scale.
    """
    sample = _grid(shots, _SAMPLES)
    counts = np.count_nonzero(sample >= WHITE, axis=(1, 2))
    return np.asarray(counts / sample[0].size, np.float32)


def frame_flags(
    noise: F32,
    levels: F32,
    saturated: F32,
    *,
    undersampled: bool = False,
    balance: LightBalance | None = None,
) -> FrameFlags:
    """What makes the cells of a frame doubtful whatever the model says of them.

    Args:
        noise: (n,) sd of a camera pixel in each shot that was taken, fraction of full scale.
        levels: (n,) background of each shot.
        saturated: (n,) from `saturated_shares`.
        undersampled: Whether the camera's pixel is larger than the reduced one.
        balance: From `light_balance`.
    """
    return FrameFlags(
        dark=bool((levels < LEAST_LEVEL).any()),
        saturated=bool((saturated >= MOST_SATURATED).any()),
        noisy=bool((noise > MOST_NOISE * np.maximum(levels, LEAST_LEVEL)).any()),
        undersampled=undersampled,
        residual_high=balance is not None and balance.high,
    )


def light_balance(shots: F32, levels: F32, noise: F32) -> LightBalance | None:
    """How far light fails to add where the sample shades it; None where nothing does, or without all four shots.

    Args:
        shots: (n, h, w) float32, the shots that were taken, in `SHOTS` order, fraction of full scale, flat-fielded.
        levels: (n,) background of each.
        noise: (n,) from `pixel_noise`.
    """
    if len(shots) != len(SHOTS):
        return None
    lightless = levels <= _LIGHTLESS
    if lightless.any():
        return None if lightless.all() else LightBalance(1.0, 0.0, shots[0].size)
    left, right, top, bottom = _grid(shots, _SAMPLES) / levels[:, None, None]
    shading = np.abs(left - right) + np.abs(top - bottom)
    shaded = shading > _SHADED * np.median(shading)
    samples = int(np.count_nonzero(shaded))
    if samples < _LEAST_SHADED:
        return None
    difference, shade = np.abs(left + right - top - bottom)[shaded], shading[shaded]
    of_noise = _MEAN_OF_NORMAL * float(np.linalg.norm(noise / levels)) / float(shade.mean())
    return LightBalance(float(difference.sum() / shade.sum()), of_noise, samples)


def _grid(shots: F32, samples: int) -> F32:
    step = max(1, min(shots.shape[1:]) // samples)
    return shots[:, step // 2 :: step, step // 2 :: step]


def pixel_noise(shots: F32) -> F32:
    """(n,) noise sd of a reduced pixel of shots (n, h, w).

    From a - b - c + d of 2 x 2 neighbours: slopes cancel, cells are outvoted.
    """
    h, w = shots.shape[1:]
    step = max(2, min(h, w) // _NOISE_SAMPLES)
    one = shots[:, 0 : h - 1 : step, 0 : w - 1 : step]
    right = shots[:, 0 : h - 1 : step, 1:w:step]
    below = shots[:, 1:h:step, 0 : w - 1 : step]
    across = shots[:, 1:h:step, 1:w:step]
    difference = np.abs(one - right - below + across).reshape(len(shots), -1)
    return np.asarray(np.median(difference, axis=1) * (_SD_OF_MAD / 2), np.float32)
