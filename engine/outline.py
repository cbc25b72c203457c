"""Centre and apparent diameter of cells already found, from the outward part of their contrast.

Around a cell the contrast vector (DPC_x, DPC_y) points outward; its outward component, with what points inward taken
as zero, is a ring at the rim. Neighbours point inward here and so hardly count. The centre is the ring's centroid;
the diameter is read off the ring-mean profile. Pixels here are those of the contrast (half the reduced resolution).
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.types import F32

Index = npt.NDArray[np.intp]

_REACH_PX: Final = 8
_SIDE: Final = 2 * _REACH_PX + 1
_RING_STEP_PX: Final = 0.5
_RIM_LEVEL: Final = 0.5
_FOOT_LEVEL: Final = 0.25
_FOOT_MARGIN: Final = 1.1


class Outline:
    """Measures cells in contrast images of one size; holds buffers."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Prepare the directions and rings around a pixel.

        Args:
            shape: (h, w) of the contrast images.
        """
        y, x = np.indices((_SIDE, _SIDE)).reshape(2, -1) - _REACH_PX
        radius = np.hypot(y, x)
        rings = np.arange(0, _REACH_PX + 1e-9, _RING_STEP_PX)
        weights = np.clip(1.0 - np.abs(radius[:, None] - rings[None, :]), 0.0, None)
        self._y, self._x, self._radius = (a.astype(np.float32) for a in (y, x, radius))
        self._unit_y, self._unit_x = (
            (a / np.maximum(radius, 1e-6)).astype(np.float32) for a in (y, x)
        )
        self._rings = (weights / weights.sum(axis=0)).astype(np.float32)
        padded = (2, shape[0] + 2 * _REACH_PX, shape[1] + 2 * _REACH_PX)
        self._padded = np.zeros(padded, np.float32)

    def measure(self, dpc_x: F32, dpc_y: F32, row: Index, column: Index) -> tuple[F32, F32, F32]:
        """Centre and diameter of each cell.

        The diameter is where the ring-mean outward contrast, going outward from its maximum, has fallen to half of
        it: the rim as the optics show it, a little larger than the cell (by 5 to 10 % for white cells, nearly 20 %
        for small red cells). A cell that the frame's border cuts keeps its maximum's pixel as its centre.

        Args:
            dpc_x: (h, w) float32, contrast along x.
            dpc_y: (h, w) float32, contrast along y (down).
            row: (N,) pixel of each cell's maximum; N may be 0.
            column: (N,) likewise.

        Returns:
            y, x and diameter, (N,) float32 each, in pixels of the contrast image.
        """
        if len(row) == 0:
            return (np.zeros(0, np.float32),) * 3
        outward = self._outward(dpc_x, dpc_y, row, column)
        profile = np.asarray(cv2.gemm(outward, self._rings, 1.0, None, 0.0), np.float32)
        rim = _crossing(profile, _RIM_LEVEL) * np.float32(_RING_STEP_PX)
        foot = _crossing(profile, _FOOT_LEVEL) * np.float32(_RING_STEP_PX * _FOOT_MARGIN)
        weight = np.clip(foot[:, None] + np.float32(0.75) - self._radius, 0, 1) * outward
        total = np.maximum(weight.sum(axis=1), np.float32(1e-9))
        last_row, last_column = dpc_x.shape[0] - 1, dpc_x.shape[1] - 1
        room = np.minimum(np.minimum(row, last_row - row), np.minimum(column, last_column - column))
        whole = (room >= foot).astype(np.float32)
        y = row + whole * np.einsum("np,p->n", weight, self._y) / total
        x = column + whole * np.einsum("np,p->n", weight, self._x) / total
        return np.asarray(y, np.float32), np.asarray(x, np.float32), np.float32(2) * rim

    def _outward(self, dpc_x: F32, dpc_y: F32, row: Index, column: Index) -> F32:
        """(N, pixels) float32, never negative."""
        inner = self._padded[:, _REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX]
        inner[0], inner[1] = dpc_x, dpc_y
        windows = np.lib.stride_tricks.sliding_window_view(
            self._padded, (_SIDE, _SIDE), axis=(1, 2)
        )
        around_x, around_y = windows[:, row, column].reshape(2, len(row), _SIDE * _SIDE)
        outward: F32 = around_x * self._unit_x + around_y * self._unit_y
        return np.maximum(outward, np.float32(0), out=outward)


def _crossing(profile: F32, level: float) -> F32:
    """Ring number, with a fraction, where each profile first falls below a share of its maximum beyond it."""
    cells, rings = np.arange(len(profile)), np.arange(profile.shape[1])
    peak = np.argmax(profile, axis=1)
    limit = np.float32(level) * profile[cells, peak]
    below = (rings[None, :] > peak[:, None]) & (profile < limit[:, None])
    outer = np.where(below.any(axis=1), np.argmax(below, axis=1), len(rings) - 1)
    inner = np.maximum(outer - 1, 0)
    drop = np.maximum(profile[cells, inner] - profile[cells, outer], np.float32(1e-9))
    fraction = np.clip((profile[cells, inner] - limit) / drop, 0.0, 1.0)
    return np.asarray(inner + fraction, np.float32)
