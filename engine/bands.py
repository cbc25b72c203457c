"""Matrices that are zero away from their diagonal, as small dense blocks: how one axis of a shot is resampled.

A block says that outputs start:stop are its weights @ inputs first:last. Every row sums to one, so that a constant
image keeps its value. Needs memory in proportion to the length, never to its square: a stranger's START may announce a
long frame. Knows positions and weights; no camera.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CROP_PX

F64 = npt.NDArray[np.float64]

BSCCM_FACTOR: Final = 96 / 28
"""Camera pixels per pixel of BSCCMNIST (SPEC a.3)."""
BSCCM_SIGMA_PX: Final = (BSCCM_FACTOR - 1) / 2
"""scikit-image's default Gaussian before a resize by that factor, camera pixels."""
_TRUNCATE: Final = 4.0


class Band(NamedTuple):
    """One block.

    Attributes:
        start: First output.
        stop: Behind the last output.
        first: First input.
        last: Behind the last input.
        weights: (stop - start, last - first) float64.
    """

    start: int
    stop: int
    first: int
    last: int
    weights: F64


def area_bands(length: int, reduced: int, factor: float, step: int) -> list[Band]:
    """Means over [k f, (k + 1) f) of an axis whose pixels are [0, 1), [1, 2), ...; the factor f is 1 or more."""

    def rows(start: int, stop: int) -> tuple[int, F64]:
        edges = np.arange(start, stop + 1) * factor
        first = int(edges[0])
        pixel = np.arange(first, min(length, int(np.ceil(edges[-1]))))
        overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
        return first, np.clip(overlap, 0.0, None) / factor

    return _blocks(reduced, step, rows)


def gaussian_bands(
    length: int, reduced: int, factor: float, sigma_px: float, step: int
) -> list[Band]:
    """A Gaussian, then linear interpolation at (k + 1/2) f - 1/2; beyond its ends the axis is mirrored.

    The Gaussian is cut at four standard deviations, as scipy's. With `sigma_px` 0 it is interpolation alone.
    """
    reach = int(_TRUNCATE * sigma_px + 0.5)
    offsets = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * np.square(offsets / sigma_px)) if reach else np.ones(1)
    bell = np.concatenate([bell / bell.sum(), [0.0]])

    def rows(start: int, stop: int) -> tuple[int, F64]:
        position = (np.arange(start, stop) + 0.5) * factor - 0.5
        below = np.floor(position).astype(int)
        upper = (position - below)[:, None]
        pixel = np.arange(below[0] - reach, below[-1] + reach + 2)
        from_below = pixel - below[:, None]
        weights = (1 - upper) * _at(bell, from_below, reach) + upper * _at(
            bell, from_below - 1, reach
        )
        mirrored = np.abs(pixel)
        mirrored = np.minimum(mirrored, 2 * (length - 1) - mirrored)
        first = int(mirrored.min())
        folded = np.zeros((int(mirrored.max()) + 1 - first, stop - start))
        np.add.at(folded, mirrored - first, weights.T)
        return first, folded.T

    return _blocks(reduced, step, rows)


def bsccm_sigma_px(factor: float) -> float:
    """Gaussian, in camera pixels, that blurs a reduced pixel as much as BSCCMNIST's was, whatever the camera's pixel.

    What blurs a reduced pixel is the camera's pixel (variance 1/12), the Gaussian, and the linear interpolation
    (t (1 - t) at the fraction t of a pixel, on average over a crop). Their sum, in reduced pixels, is that of BSCCM's
    camera and scikit-image's default Gaussian; at BSCCM's own factor this is exactly that Gaussian. From about 0.53 µm
    on, pixel and interpolation mostly blur as much by themselves, and there is none. A narrow Gaussian of few taps
    blurs a little less than it says: 3 % at 0.343 µm, 13 % at 0.45.
    """
    whole = (BSCCM_SIGMA_PX**2 + _blur_without(BSCCM_FACTOR)) / BSCCM_FACTOR**2
    return float(np.sqrt(max(0.0, whole * factor**2 - _blur_without(factor))))


def _blur_without(factor: float) -> float:
    """Variance of camera pixel and linear interpolation, camera pixels squared."""
    position = (np.arange(CROP_PX) + 0.5) * factor - 0.5
    fraction = position - np.floor(position)
    return float(1 / 12 + np.mean(fraction * (1 - fraction)))


def _at(bell: F64, offset: npt.NDArray[Any], reach: int) -> F64:
    """The bell at whole offsets, 0 beyond its reach."""
    inside = np.abs(offset) <= reach
    return np.asarray(bell[np.where(inside, offset + reach, len(bell) - 1)], np.float64)


def _blocks(reduced: int, step: int, rows: Callable[[int, int], tuple[int, F64]]) -> list[Band]:
    """All outputs in blocks of `step`, each cut to the inputs it uses."""
    blocks = []
    for start in range(0, reduced, step):
        stop = min(start + step, reduced)
        first, weights = rows(start, stop)
        used = np.flatnonzero(weights.any(axis=0))
        weights = np.ascontiguousarray(weights[:, used[0] : used[-1] + 1])
        blocks.append(Band(start, stop, first + int(used[0]), first + int(used[-1]) + 1, weights))
    return blocks
