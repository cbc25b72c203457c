"""The slow shading of one reduced frame: estimated from it, divided out of it.

A shot is (sample) x (illumination shading); the shading is smooth and the cells are not. Medians of coarse blocks
ignore the cells (each shows a bright and a dark half, so even a full block keeps its median), a robust
low-degree surface through them ignores the blocks that are still wrong. Knows no camera and no cells.
"""

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.types import F32

F64 = npt.NDArray[np.float64]

_BLOCK_PX: Final = 64
_LEAST_BLOCK_PX: Final = 36
_FEW: Final = 4
_SAMPLE_STEP: Final = 4
FULL_DEGREE: Final = 4
_DEGREE_BY_BLOCKS: Final = ((49, FULL_DEGREE), (25, 3), (12, 2), (4, 1), (1, 0))
_REFITS: Final = 3
_TUKEY: Final = 4.7
_DARKEST: Final = 0.25
_COARSE: Final = 64


class FlatField:
    """Removes the shading of frames of one reduced size, in place.

    Attributes:
        degree: Of the surface; lower where a frame has few blocks.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        """Prepare the block grid and the surface basis.

        Args:
            shape: (h, w) of one reduced shot.
        """
        h, w = shape
        self._rows, self._block_h = _blocks(h)
        self._columns, self._block_w = _blocks(w)
        blocks = self._rows * self._columns
        self.degree = next(degree for least, degree in _DEGREE_BY_BLOCKS if blocks >= least)
        self.degree = min(self.degree, self._rows - 1, self._columns - 1)
        centre_y = _axis((np.arange(self._rows) + 0.5) * self._block_h - 0.5, h)
        centre_x = _axis((np.arange(self._columns) + 0.5) * self._block_w - 0.5, w)
        i, j = np.indices((self.degree + 1, self.degree + 1))
        self._terms = (i + j) <= self.degree
        self._design = np.ascontiguousarray(
            np.einsum(
                "yi,xj->yxij", _legendre(centre_y, self.degree), _legendre(centre_x, self.degree)
            )[:, :, self._terms].reshape(blocks, -1)
        )
        coarse = _legendre((2.0 * np.arange(_COARSE) + 1.0) / _COARSE - 1.0, self.degree)
        self._basis = coarse.astype(np.float32)

    def remove(self, shots: F32) -> F32:
        """Divide the shading out of ``shots`` in place, keeping each shot's mean level.

        A shot without light is left as it is, so that no value becomes infinite or NaN.

        Args:
            shots: (n, h, w) float32, fraction of full scale; changed in place.

        Returns:
            (n,) float32, the level of each shot's background after the division.
        """
        coefficients = self._fit(self._block_levels(shots))
        levels = (coefficients @ self._design.T).mean(axis=1)
        for shot, coefficient, level in zip(shots, coefficients, levels, strict=True):
            if level <= 1e-6:
                continue
            matrix = np.zeros(self._terms.shape, np.float32)
            matrix[self._terms] = coefficient / level
            surface = np.maximum(self._basis @ matrix @ self._basis.T, np.float32(_DARKEST))
            surface = cv2.resize(surface, shot.shape[::-1], interpolation=cv2.INTER_LINEAR)
            np.divide(shot, surface, out=shot)
        result: F32 = levels.astype(np.float32)
        return result

    def levels(self, shots: F32) -> F32:
        """(n,) float32: the level of each shot's background; changes nothing.

        Args:
            shots: (n, h, w) float32, fraction of full scale.
        """
        coefficients = self._fit(self._block_levels(shots))
        return np.asarray((coefficients @ self._design.T).mean(axis=1), np.float32)

    def _block_levels(self, shots: F32) -> F64:
        """Mean of the middle two fifths of each block: as robust as a median, finer than a count. (n, blocks)."""
        used = shots[:, : self._rows * self._block_h, : self._columns * self._block_w]
        grid = used.reshape(-1, self._rows, self._block_h, self._columns, self._block_w)
        grid = grid[:, :, _SAMPLE_STEP // 2 :: _SAMPLE_STEP, :, _SAMPLE_STEP // 2 :: _SAMPLE_STEP]
        samples = grid.transpose(0, 1, 3, 2, 4).reshape(len(shots), self._rows * self._columns, -1)
        samples = np.sort(samples, axis=-1)
        kept = slice(int(0.3 * samples.shape[-1]), max(1, int(0.7 * samples.shape[-1])))
        levels: F64 = samples[..., kept].mean(axis=-1, dtype=np.float64)
        return levels

    def _fit(self, medians: F64) -> F64:
        """Tukey-weighted least squares of all shots at once: (n, terms)."""
        weights = np.ones_like(medians)
        ridge = 1e-9 * np.eye(self._design.shape[1])
        for _ in range(_REFITS):
            weighted = self._design * weights[:, :, None]
            normal = weighted.transpose(0, 2, 1) @ self._design + ridge
            target = weighted.transpose(0, 2, 1) @ medians[:, :, None]
            coefficients: F64 = np.linalg.solve(normal, target)[..., 0]
            residual = np.abs(medians - coefficients @ self._design.T)
            scale = _TUKEY * 1.4826 * np.median(residual, axis=1, keepdims=True) + 1e-4
            weights = np.square(np.clip(1.0 - np.square(residual / scale), 0.0, None)) + 1e-6
        return coefficients


def _blocks(length: int) -> tuple[int, int]:
    """How many blocks, of which side, cover a length of reduced pixels; smaller blocks where they would be few."""
    count = max(1, round(length / _BLOCK_PX), min(_FEW, length // _LEAST_BLOCK_PX))
    return count, max(1, length // count)


def _axis(position: npt.NDArray[Any], length: int) -> F64:
    """Pixel positions as -1 to 1 over the frame."""
    return (2.0 * np.asarray(position, np.float64) + 1.0) / length - 1.0


def _legendre(position: F64, degree: int) -> F64:
    return np.asarray(np.polynomial.legendre.legvander(position, degree), np.float64)
