"""What the size of a cell alone says: area, integrated phase and integrated contrast (SPEC f.2).

A model of cells that does no better than this has learned size and nothing of texture. Knows four-shot crops and the
weak-object optics; the features are made from the shots' differences, so level, gain and absorption drop out.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.forward import Optics, transfer_functions
from phenostream.engine.types import CROP_PX, F32, REDUCED_PIXEL_UM

F64 = npt.NDArray[np.float64]

SIZE_FEATURES: Final = ("area", "integrated phase", "integrated |DPC|")
_REGULARISATION: Final = 1e-2
"""Tikhonov's alpha: twice SPEC f.2's, against drift across a crop that is hardly larger than its cell."""
_LEVEL: Final = 0.3
"""A pixel is cell where its phase exceeds this share of the cell's own peak."""
_PEAK_PIXELS: Final = 12
_WINDOW_PX: Final = 11.0
_WINDOW_SOFT_PX: Final = 0.75
_LEAST_LEVEL: Final = 1e-3
_LEAST: Final = np.array([1.0, 1e-2, 1e-2])
"""Smallest area (µm²), phase (rad·µm²) and contrast (µm²) of which a logarithm is taken."""
_CHUNK: Final = 2_048


def size_features(images: F32, background: F32) -> F64:
    """Natural logarithms of the three sizes of each cell, with their squares and products: (N, 9) float64.

    The first three columns are `SIZE_FEATURES`; the rest lets a linear model bend, since the middle class may be
    the one of medium size.
    """
    logs = np.log(sizes(images, background))
    pairs = [logs[:, i] * logs[:, j] for i in range(3) for j in range(i, 3)]
    return np.column_stack([logs, *pairs])


def sizes(images: F32, background: F32) -> F64:
    """Area (µm²), integrated phase (rad·µm²) and integrated |DPC| (µm²) of each cell, (N, 3) float64, all positive.

    Args:
        images: (N, 4, 28, 28), fraction of full scale, at 0.686 µm/px.
        background: (N, 4), same unit.
    """
    parts = [
        _sizes(images[start : start + _CHUNK], background[start : start + _CHUNK])
        for start in range(0, len(images), _CHUNK)
    ]
    return np.concatenate([np.empty((0, 3)), *parts])


def shading(images: F32, background: F32) -> F32:
    """DPC along x (right) and y (down), (N, 2, 28, 28) float32: (a - b) / (a + b) of each pair of shots."""
    level = np.maximum(background, np.float32(_LEAST_LEVEL))[:, :, None, None]
    left, right, top, bottom = np.moveaxis(images / level, 1, 0)
    along_x = (left - right) / np.maximum(left + right, np.float32(_LEAST_LEVEL))
    along_y = (bottom - top) / np.maximum(top + bottom, np.float32(_LEAST_LEVEL))
    return np.stack([along_x, along_y], axis=1)


def phase_map(differences: F32) -> F64:
    """Tikhonov's phase (N, 28, 28), radians, of DPC along x and y (N, 2, 28, 28)."""
    inverse = _inverse_filter()
    spectrum = (np.fft.fft2(differences.astype(np.float64)) * inverse).sum(axis=1)
    phase: F64 = np.fft.ifft2(spectrum).real
    return phase


def _sizes(images: F32, background: F32) -> F64:
    differences = shading(images, background)
    middle = np.median(differences[..., ~_INSIDE], axis=-1)[..., None, None]
    windowed = ((differences - middle) * _WINDOW).astype(np.float32)
    phase = phase_map(windowed)
    phase -= np.median(phase[:, ~_INSIDE], axis=1)[:, None, None]
    inside = np.where(_INSIDE, phase, 0.0)
    flat = inside.reshape(len(inside), -1)
    peak = np.partition(flat, -_PEAK_PIXELS, axis=1)[:, -_PEAK_PIXELS]
    above = inside > _LEVEL * np.maximum(peak, 0)[:, None, None]
    pixel = REDUCED_PIXEL_UM**2
    columns = np.column_stack(
        [
            above.sum(axis=(1, 2)) * pixel,
            (inside * above).sum(axis=(1, 2)) * pixel,
            np.hypot(windowed[:, 0], windowed[:, 1]).sum(axis=(1, 2), dtype=np.float64) * pixel,
        ]
    )
    positive: F64 = np.maximum(columns, _LEAST)
    return positive


@lru_cache(maxsize=1)
def _inverse_filter() -> npt.NDArray[np.complex128]:
    """(2, 28, 28): conj(H) / (sum |H|² + alpha) of DPC along x and y in the weak-object limit."""
    optics = Optics()
    phase, _ = transfer_functions(CROP_PX, REDUCED_PIXEL_UM, optics)
    left, right, top, bottom = phase.astype(np.complex128)
    transfer = np.stack([(left - right) / 2, (bottom - top) / 2])
    power = (np.abs(transfer) ** 2).sum(axis=0)
    inverse: npt.NDArray[np.complex128] = transfer.conj() / (power + _REGULARISATION)
    return inverse


_Y, _X = np.indices((CROP_PX, CROP_PX)) - (CROP_PX - 1) / 2
_RADIUS: Final = np.hypot(_Y, _X)
_INSIDE: Final = _RADIUS < _WINDOW_PX
_WINDOW: Final = 1 / (1 + np.exp((_RADIUS - _WINDOW_PX) / _WINDOW_SOFT_PX))
