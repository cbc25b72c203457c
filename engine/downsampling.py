"""Bringing one shot to reduced pixels, as counts; what a frame is made of is not known here.

One reduced pixel of the `area` kernel is the mean of the camera pixels under its area: pixel k covers the camera's
[k f - 1/2, (k + 1) f - 1/2), also where the factor f is no whole number. Of `bsccm-gaussian` it is a Gaussian's value
at (k + 1/2) f - 1/2: BSCCMNIST's pixel (SPEC a.3), blurred as much, at the same grid. Where the camera's pixel is the
larger one (f below 1) both interpolate linearly at that grid: an area mean would repeat pixels.
"""

from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.bands import Band, area_bands, bsccm_sigma_px, gaussian_bands
from phenostream.engine.types import F32, ReductionKernel

_HALVINGS: Final = {2.0: 1, 4.0: 2, 8.0: 3}
_OUTPUTS: Final = (8, 16)
_ONE_THREAD: Final = 1 << 18


class Downsampler(Protocol):
    """Brings one shot to its reduced size. Holds buffers: one instance per thread.

    Attributes:
        averaging: By what it divides the noise of camera pixels, as differences of neighbouring reduced pixels show it.
    """

    averaging: float

    def reduce(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        """Write the (h, w) reduced counts of an (H, W) shot into `out`."""


def downsampler(
    shape: tuple[int, int],
    reduced: tuple[int, int],
    factor: float,
    kernel: ReductionKernel,
    *,
    halving: bool,
) -> Downsampler:
    """The quickest way that is exact enough.

    Args:
        shape: (H, W) of a shot.
        reduced: (h, w) of a reduced shot.
        factor: Camera pixels per reduced pixel.
        kernel: What a reduced pixel is.
        halving: Whether counts are u16 of which so many lie between dark and white that a whole count does not matter.
    """
    halvings = _HALVINGS.get(factor)
    if kernel == "area" and halvings and halving:
        return Halving(shape, halvings)
    rows, columns = (
        _bands(length, small, factor, kernel, step)
        for length, small, step in zip(shape, reduced, _OUTPUTS, strict=True)
    )
    return Banded(shape, rows, columns)


def _bands(
    length: int, reduced: int, factor: float, kernel: ReductionKernel, step: int
) -> list[Band]:
    if kernel == "area" and factor >= 1:
        return area_bands(length, reduced, factor, step)
    sigma_px = bsccm_sigma_px(factor) if kernel == "bsccm-gaussian" else 0.0
    return gaussian_bands(length, reduced, factor, sigma_px, step)


class Halving:
    """Factor 2, 4 or 8 of u16 by repeated 2 x 2 means (vectorised in OpenCV).

    Each step rounds to a whole count: an error of one count at most, of at least a thousand from dark to white.
    """

    def __init__(self, shape: tuple[int, int], halvings: int) -> None:
        self._side = 1 << halvings
        self.averaging = float(self._side)
        self._sizes = [
            ((shape[0] // self._side) * self._side >> k, (shape[1] // self._side) * self._side >> k)
            for k in range(1, halvings + 1)
        ]
        self._buffers = [np.empty(size, np.uint16) for size in self._sizes]

    def reduce(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        """See `Downsampler`."""
        h, w = out.shape
        source = counts[: h * self._side, : w * self._side]
        for buffer in self._buffers:
            cv2.resize(source, buffer.shape[::-1], dst=buffer, interpolation=cv2.INTER_AREA)
            source = buffer
        out[...] = source


class Banded:
    """Rows, then columns, each as small dense blocks of a banded matrix."""

    def __init__(self, shape: tuple[int, int], rows: list[Band], columns: list[Band]) -> None:
        """Allocate.

        Args:
            shape: (H, W) of a shot.
            rows: Blocks of the matrix that brings H to h.
            columns: Likewise, W to w.
        """
        self.averaging = 1 / (_noise_gain(rows) * _noise_gain(columns))
        self._rows = [band._replace(weights=band.weights.astype(np.float32)) for band in rows]
        self._columns = [
            band._replace(weights=np.ascontiguousarray(band.weights.T, np.float32))
            for band in columns
        ]
        tallest = max(band.last - band.first for band in rows)
        self._counts = np.empty((tallest, shape[1]), np.float32)
        self._half = np.empty((rows[-1].stop, shape[1]), np.float32)

    def reduce(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        """See `Downsampler`."""
        for start, stop, first, last, weights in self._rows:
            block = self._counts[: last - first]
            block[...] = counts[first:last]
            for columns in _pieces(block.shape[1], weights.size):
                np.matmul(weights, block[:, columns], out=self._half[start:stop, columns])
        for start, stop, first, last, weights in self._columns:
            for rows in _pieces(len(out), weights.size):
                np.matmul(self._half[rows, first:last], weights, out=out[rows, start:stop])


def _noise_gain(bands: list[Band]) -> float:
    """Noise sd of one output from inputs of sd 1, along one axis, judged by the differences of neighbouring outputs."""
    steps = np.concatenate([np.square(np.diff(band.weights, axis=0)).sum(axis=1) for band in bands])
    return float(np.sqrt(steps.mean() / 2))


def _pieces(length: int, per_item: int) -> list[slice]:
    """Parts so small that BLAS (which may not be pinned) does not wake other threads for them."""
    step = max(1, _ONE_THREAD // per_item)
    return [slice(start, start + step) for start in range(0, length, step)]
