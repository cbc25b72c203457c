"""Downsampling one shot to reduced pixels, as counts; what a frame is made of is not known here.

One reduced pixel of the `area` kernel is the mean of the camera pixels under its area. Reduced pixel k covers the
camera's [k f - 1/2, (k + 1) f - 1/2), also where the factor f is no whole number.
"""

from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.types import F32

_HALVINGS: Final = {2.0: 1, 4.0: 2, 8.0: 3}
_LEAST_COUNTS: Final = 1000.0
_OUTPUT_ROWS: Final = 8
_OUTPUT_COLUMNS: Final = 16
_ONE_THREAD: Final = 1 << 18


class Downsampler(Protocol):
    """Brings one shot to its reduced size. Holds buffers: one instance per thread."""

    def mean(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        """Write the (h, w) reduced counts of an (H, W) shot into `out`."""


def downsampler(
    shape: tuple[int, int],
    reduced: tuple[int, int],
    factor: float,
    *,
    dtype: np.dtype[np.generic],
    span: float,
) -> Downsampler:
    """The quickest way that is exact enough.

    Args:
        shape: (H, W) of a shot.
        reduced: (h, w) of a reduced shot.
        factor: Camera pixels per reduced pixel.
        dtype: Of the counts.
        span: Counts from dark to white.
    """
    halvings = _HALVINGS.get(factor)
    if halvings and dtype == np.uint16 and span >= _LEAST_COUNTS:
        return Halving(shape, halvings)
    return Banded(shape, reduced, factor)


class Halving:
    """Factor 2, 4 or 8 of u16 by repeated 2 x 2 means (vectorised in OpenCV).

    Each step rounds to a whole count: an error of one count at most, of at least a thousand from dark to white.
    """

    def __init__(self, shape: tuple[int, int], halvings: int) -> None:
        self._side = 1 << halvings
        self._sizes = [
            ((shape[0] // self._side) * self._side >> k, (shape[1] // self._side) * self._side >> k)
            for k in range(1, halvings + 1)
        ]
        self._buffers = [np.empty(size, np.uint16) for size in self._sizes]

    def mean(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        """See `Downsampler`."""
        h, w = out.shape
        source = counts[: h * self._side, : w * self._side]
        for buffer in self._buffers:
            cv2.resize(source, buffer.shape[::-1], dst=buffer, interpolation=cv2.INTER_AREA)
            source = buffer
        out[...] = source


class Banded:
    """Any factor of 1 or more: rows, then columns, each as small dense blocks of the banded area matrix."""

    def __init__(self, shape: tuple[int, int], reduced: tuple[int, int], factor: float) -> None:
        self._rows = _bands(shape[0], reduced[0], factor, _OUTPUT_ROWS)
        self._columns = [
            (start, stop, first, last, np.ascontiguousarray(weights.T))
            for start, stop, first, last, weights in _bands(
                shape[1], reduced[1], factor, _OUTPUT_COLUMNS
            )
        ]
        tallest = max(last - first for _, _, first, last, _ in self._rows)
        self._counts = np.empty((tallest, shape[1]), np.float32)
        self._half = np.empty((reduced[0], shape[1]), np.float32)

    def mean(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        """See `Downsampler`."""
        for start, stop, first, last, weights in self._rows:
            block = self._counts[: last - first]
            block[...] = counts[first:last]
            for columns in _pieces(block.shape[1], weights.size):
                np.matmul(weights, block[:, columns], out=self._half[start:stop, columns])
        for start, stop, first, last, weights in self._columns:
            for rows in _pieces(len(out), weights.size):
                np.matmul(self._half[rows, first:last], weights, out=out[rows, start:stop])


def _pieces(length: int, per_item: int) -> list[slice]:
    """Parts so small that BLAS (which may not be pinned) does not wake other threads for them."""
    step = max(1, _ONE_THREAD // per_item)
    return [slice(start, start + step) for start in range(0, length, step)]


def _bands(
    length: int, reduced: int, factor: float, step: int
) -> list[tuple[int, int, int, int, F32]]:
    """Blocks (start, stop, first, last, weights): outputs start:stop are weights @ inputs first:last.

    Needs memory in proportion to the length, never to its square: a stranger's START may announce a long frame.
    """
    blocks = []
    for start in range(0, reduced, step):
        stop = min(start + step, reduced)
        edges = np.arange(start, stop + 1) * factor
        first = int(edges[0])
        pixel = np.arange(first, min(length, int(np.ceil(edges[-1]))))
        overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
        weights = (np.clip(overlap, 0.0, None) / factor).astype(np.float32)
        used = np.flatnonzero(weights.any(axis=0))
        block = np.ascontiguousarray(weights[:, used[0] : used[-1] + 1])
        blocks.append((start, stop, first + int(used[0]), first + int(used[-1]) + 1, block))
    return blocks
