"""What physics says of one frame: whether its light adds up, and whether its shots can show cells at all.

Checks flag, they never withhold. Looks at a grid of samples, so that the cost hardly grows with the frame.
"""

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

_LIGHTLESS: Final = 1e-4
_SAMPLES: Final = 128
_NOISE_SAMPLES: Final = 48
_SHADED: Final = 6.0
_LEAST_SHADED: Final = 16
_SD_OF_MAD: Final = 1.4826


def saturated_shares(shots: F32) -> F32:
    """(n,) float32: share of each shot's pixels at white. Call it before the shading is divided out.

    Args:
        shots: (n, h, w) float32, fraction of full scale.
    """
    sample = _grid(shots, _SAMPLES)
    counts = np.count_nonzero(sample >= WHITE, axis=(1, 2))
    return np.asarray(counts / sample[0].size, np.float32)


def frame_flags(
    shots: F32, levels: F32, saturated: F32, averaging: float, *, undersampled: bool = False
) -> FrameFlags:
    """What makes the cells of a frame doubtful whatever the model says of them.

    Args:
        shots: (n, h, w) float32, the shots that were taken, fraction of full scale, flat-fielded.
        levels: (n,) background of each shot.
        saturated: (n,) from `saturated_shares`.
        averaging: By what the reduction has divided the noise of a camera pixel.
        undersampled: Whether the camera's pixel is larger than the reduced one.
    """
    noise = _noise(shots) * np.float32(averaging)
    return FrameFlags(
        dark=bool((levels < LEAST_LEVEL).any()),
        saturated=bool((saturated >= MOST_SATURATED).any()),
        noisy=bool((noise > MOST_NOISE * np.maximum(levels, LEAST_LEVEL)).any()),
        undersampled=undersampled,
    )


def four_shot_residual(shots: F32, levels: F32) -> float | None:
    """How far light fails to add where the sample shades it; None where nothing does, or without all four shots.

    See `Reduced`.

    Args:
        shots: (n, h, w) float32, the shots that were taken, in `SHOTS` order.
        levels: (n,) background of each.
    """
    if len(shots) != len(SHOTS):
        return None
    lightless = levels <= _LIGHTLESS
    if lightless.any():
        return None if lightless.all() else 1.0
    left, right, top, bottom = _grid(shots, _SAMPLES) / levels[:, None, None]
    shading = np.abs(left - right) + np.abs(top - bottom)
    shaded = shading > _SHADED * np.median(shading)
    if np.count_nonzero(shaded) < _LEAST_SHADED:
        return None
    difference = np.abs(left + right - top - bottom)
    return float(difference[shaded].sum() / shading[shaded].sum())


def _grid(shots: F32, samples: int) -> F32:
    step = max(1, min(shots.shape[1:]) // samples)
    return shots[:, step // 2 :: step, step // 2 :: step]


def _noise(shots: F32) -> F32:
    """(n,) noise sd of a reduced pixel, from a - b - c + d of 2 x 2 neighbours: slopes cancel, cells are outvoted."""
    h, w = shots.shape[1:]
    step = max(2, min(h, w) // _NOISE_SAMPLES)
    one = shots[:, 0 : h - 1 : step, 0 : w - 1 : step]
    right = shots[:, 0 : h - 1 : step, 1:w:step]
    below = shots[:, 1:h:step, 0 : w - 1 : step]
    across = shots[:, 1:h:step, 1:w:step]
    difference = np.abs(one - right - below + across).reshape(len(shots), -1)
    return np.asarray(np.median(difference, axis=1) * (_SD_OF_MAD / 2), np.float32)
