"""The shading dipole of each cell in each of the four shots: Σ (I - background)(r - r0), whatever the shots are called.

Light tilted toward a side brightens that side of a cell (SPEC f.5), so a cell's dipole points along the tilt. Cells are
found here by how much they shade, summed over the shots: the detector of `engine.detect` believes the shots' names, and
sees nothing where they are wrong by a quarter turn. Knows arrays; believes no name.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.crop import cut_crops, leaves_frame
from phenostream.engine.frame_checks import LEAST_LEVEL
from phenostream.engine.types import CROP_PX, F32, REDUCED_PIXEL_UM, Crops, Detections, Reduced

F64 = npt.NDArray[np.float64]

_HALF_PIXEL_UM: Final = 2 * REDUCED_PIXEL_UM
_BLUR_UM: Final = 3.2
"""Sd of the blur that makes a ring of shading one blob: about 1 / sqrt 2 of a cell's radius."""
_SEPARATION_UM: Final = 4.2
_NEIGHBOUR_UM: Final = 16.0
_LEAST_OF_NEIGHBOUR: Final = 0.15
_EMPTY_QUANTILE: Final = 0.05
_LEAST_OVER_EMPTY: Final = 3.0
"""A cell's blob is this many times the empty field's, which the emptiest 5 % of the frame show even when it is crowded:
noise alone stays below 1.7 times."""
_WINDOW_PX: Final = 12.0
_WINDOW_SOFT_PX: Final = 0.75
"""Radius of the window around a cell, and how softly it ends (a logistic edge)."""


@dataclass(frozen=True, slots=True)
class CellDipoles:
    """Dipoles of the N cells of one frame; N may be 0.

    Attributes:
        vectors: (N, 4, 2) float32, (y down, x right) of each shot in engine order, as a share of what the cell's
            shading could give if all of it stood on one side: never longer than 4, 0.3 to 0.5 for a cell.
        products: (4, 4) float64, sum over the cells' pixels of shot times shot.
        portrait: (4, 28, 28) float64, sum of the cells: intensity / background - 1.
        lit: (4,) bool, the shot has light.
    """

    vectors: F32
    products: F64
    portrait: F64
    lit: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.vectors)


def measure_dipoles(reduced: Reduced, most: int | None = None) -> CellDipoles:
    """Find the cells of a frame and measure their dipoles.

    Args:
        reduced: The frame; which shot is called what does not matter.
        most: At most so many cells, those that shade most; None takes all.
    """
    levels = np.array([np.median(shot[::4, ::4]) for shot in reduced.shots], np.float32)
    lit = levels >= LEAST_LEVEL
    y, x = _shading_cells(reduced.shots[lit], levels[lit], most)
    crops = cut_crops(reduced, _at(y, x, reduced.shots.shape[1:]))
    contrast = _contrast(crops, lit)
    pixels = contrast.reshape(len(crops), 4, CROP_PX * CROP_PX)
    windowed = (pixels * _WINDOW).transpose(1, 0, 2).reshape(4, -1)
    return CellDipoles(
        vectors=_vectors(pixels),
        products=(windowed @ windowed.T).astype(np.float64),
        portrait=contrast.sum(axis=0, dtype=np.float64),
        lit=lit,
    )


def _shading_cells(shots: F32, levels: F32, most: int | None) -> tuple[F32, F32]:
    """Centres (y, x) of what shades the lit shots, reduced pixels, strongest first; found at half the resolution."""
    half = shots.shape[2] // 2, shots.shape[1] // 2
    energy = np.zeros(half[::-1], np.float32)
    for shot, level in zip(shots, levels, strict=True):
        small = cv2.resize(shot[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)
        small /= level
        small -= 1
        energy += small * small
    blobs = cv2.GaussianBlur(energy, (0, 0), _BLUR_UM / _HALF_PIXEL_UM)
    empty = np.quantile(blobs[::2, ::2], _EMPTY_QUANTILE)
    strongest = cv2.dilate(blobs, _FAR) * np.float32(_LEAST_OF_NEIGHBOUR)
    found = (blobs >= cv2.dilate(blobs, _NEAR)) & (blobs > strongest)
    row, column = np.nonzero(found & (blobs > _LEAST_OVER_EMPTY * empty))
    order = np.argsort(-blobs[row, column], kind="stable")[:most]
    return (2 * row[order] + 0.5).astype(np.float32), (2 * column[order] + 0.5).astype(np.float32)


def _at(y: F32, x: F32, shape: tuple[int, ...]) -> Detections:
    unknown = np.zeros_like(y)
    return Detections(y, x, unknown, unknown, leaves_frame(y, x, (shape[0], shape[1])))


def _contrast(crops: Crops, lit: npt.NDArray[np.bool_]) -> F32:
    """(N, 4, 28, 28), intensity / background - 1; 0 in a shot without light."""
    background = np.where(lit & (crops.background > 0), crops.background, np.inf)
    contrast = crops.images / background[:, :, None, None] - np.float32(1)
    contrast[~np.isfinite(background)] = 0
    return np.asarray(contrast, np.float32)


def _vectors(pixels: F32) -> F32:
    """(N, 4, 2) from contrasts (N, 4, 784); r0 is the centroid of the cell's own shading in all shots."""
    moments = pixels @ _MOMENTS
    shading = np.square(pixels).sum(axis=1) @ _MOMENTS
    centre = shading[:, 1:] / np.maximum(shading[:, :1], np.finfo(np.float32).tiny)
    first = moments[..., 1:] - moments[..., :1] * centre[:, None, :]
    reach = (np.abs(pixels) @ _RADIUS).mean(axis=1)
    return np.asarray(first / np.maximum(reach, np.finfo(np.float32).tiny)[:, None, None])


def _disc(radius: float) -> npt.NDArray[np.uint8]:
    reach = int(radius)
    y, x = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    return (y**2 + x**2 <= radius**2).astype(np.uint8)


def _square(radius: float) -> npt.NDArray[np.uint8]:
    side = 2 * int(radius) + 1
    return np.ones((side, side), np.uint8)


_NEAR: Final = _disc(_SEPARATION_UM / _HALF_PIXEL_UM)
_FAR: Final = _square(_NEIGHBOUR_UM / _HALF_PIXEL_UM)
_Y, _X = np.indices((CROP_PX, CROP_PX)).reshape(2, -1) - (CROP_PX - 1) / 2
_WINDOW: Final = (1 / (1 + np.exp((np.hypot(_Y, _X) - _WINDOW_PX) / _WINDOW_SOFT_PX))).astype(
    np.float32
)
_MOMENTS: Final = np.stack([_WINDOW, _WINDOW * _Y, _WINDOW * _X], axis=1).astype(np.float32)
_RADIUS: Final = (_WINDOW * np.hypot(_Y, _X)).astype(np.float32)
