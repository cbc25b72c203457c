"""Latent protein levels of simulated white cells, with a known coupling to what can be seen.

Knows means, spreads, minor subsets and the coupling of SPEC f.4; does not know images. The coupling is an assumption of
the simulator: a model that finds it has shown that the pipeline works, nothing about blood.
"""

from math import erf, exp, log, pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CLASSES

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

MATURITY_CORRELATION: Final = 0.35
"""Correlation of a granulocyte's CD16 with the maturity that sets its lobes and granules."""
FLOOR_LOG10: Final = -0.25
"""Values below are raised to this, as the real columns are at their 0.5th percentile."""

_MEAN: Final = {
    "lymphocyte": (0.8, 3.8, 4.3, 0.5),
    "granulocyte": (0.8, 0.5, 3.3, 4.0),
    "monocyte": (3.5, 0.5, 4.2, 0.8),
}
_SPREAD: Final = {
    "lymphocyte": (0.7, 0.5, 0.3, 0.5),
    "granulocyte": (0.7, 0.6, 0.4, 0.45),
    "monocyte": (0.7, 0.5, 0.3, 0.5),
}
_SUBSET: Final = {
    "lymphocyte": ((0, 0.15, 3.0), (3, 0.12, 2.6)),
    "granulocyte": (),
    "monocyte": ((3, 0.15, 2.5),),
}
"""Marker index, share of the cells and mean of minor subsets: B and NK cells, CD16-bright monocytes."""
_NOISE: Final = (0.6, 0.25, 0.2, 0.2)
_REFERENCE_AREA_UM2: Final = 70.0


def draw_markers(rng: np.random.Generator, kind: str, diameter_um: float, maturity: float) -> F32:
    """One cell's four measured levels, log10, in `MARKERS` order (float32, 4).

    Args:
        rng: Source of the cell's randomness.
        kind: One of `CLASSES`.
        diameter_um: Diameter in suspension; larger cells carry more CD45 and, if granulocytes, more CD16.
        maturity: Standard normal; a granulocyte's share in CD16.
    """
    if kind not in CLASSES:
        raise KeyError(kind)
    mean = np.array(_MEAN[kind])
    for marker, share, level in _SUBSET[kind]:
        if rng.random() < share:
            mean[marker] = level
    deviate = rng.standard_normal(4)
    size = log(diameter_um**2 / _REFERENCE_AREA_UM2)
    if kind == "granulocyte":
        own = sqrt(1 - MATURITY_CORRELATION**2)
        deviate[3] = MATURITY_CORRELATION * maturity + own * deviate[3]
        mean[3] += 0.5 * size
    mean[2] += size
    latent = mean + np.array(_SPREAD[kind]) * deviate + np.array(_NOISE) * rng.standard_normal(4)
    return np.maximum(latent / log(10), FLOOR_LOG10).astype(np.float32)


def expected_markers(kind: str, size: F64, maturity: F64) -> F64:
    """The mean of what `draw_markers` gives to cells of one kind, over everything but what can be seen of them.

    Args:
        kind: One of `CLASSES`.
        size: (N,) ln(diameter² / µm²).
        maturity: (N,) standard normal; used for granulocytes only.

    Returns:
        (N, 4) log10, in `MARKERS` order.
    """
    means = np.tile(np.array(_MEAN[kind]), (len(size), 1))
    sds = [sqrt(spread**2 + noise**2) for spread, noise in zip(_SPREAD[kind], _NOISE, strict=True)]
    larger = size - log(_REFERENCE_AREA_UM2)
    means[:, 2] += larger
    if kind == "granulocyte":
        seen = MATURITY_CORRELATION * _SPREAD[kind][3]
        means[:, 3] += 0.5 * larger + seen * maturity
        sds[3] = sqrt(sds[3] ** 2 - seen**2)
    out = np.stack([_raised_mean(means[:, m], sds[m]) for m in range(len(sds))], axis=1)
    for marker, share, level in _SUBSET[kind]:
        minor = _raised_mean(means[:, marker] + level - _MEAN[kind][marker], sds[marker])
        out[:, marker] += share * (minor - out[:, marker])
    return out / log(10)


def _raised_mean(mean: F64, sd: float) -> F64:
    """Mean of a normal variable whose values below the floor are raised to it, natural logarithms."""
    floor = FLOOR_LOG10 * log(10)
    below = (floor - mean) / sd
    share = np.array([0.5 * (1 + erf(value / sqrt(2))) for value in below])
    density = np.array([exp(-value * value / 2) / sqrt(2 * pi) for value in below])
    result: F64 = floor * share + mean * (1 - share) + sd * density
    return result
