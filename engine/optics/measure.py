"""The apparent diameter of a cell in one DPC shot: one measuring function for real and simulated images.

Knows pixels only. Nothing it computes changes when the image is scaled or offset (published images were stretched to
8 bit, so level and gain are lost), nor when it is mirrored or turned.
"""

from math import pi, sqrt
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadFrame

F32 = npt.NDArray[np.float32]

_SMOOTH_SHARE: Final = 1.5 / 128
_CLOSE_SHARE: Final = 7 / 128
_OPEN_SHARE: Final = 5 / 128
"""Sd of the smoothing and radii of closing and opening, as shares of the image's side."""
_PEAK_QUANTILE: Final = 0.97
_LEVEL: Final = 0.2
"""A pixel is cell where the slope energy rises above the background's by this share of the cell's own."""
_WIDENED_SHARE: Final = 2 * 2.2 * _SMOOTH_SHARE
"""What smoothing adds to a diameter: a sharp edge's energy falls to `_LEVEL` 2.2 sd away on each side."""


def apparent_diameter(image: npt.NDArray[np.uint8] | F32) -> float:
    """Diameter, in pixels of the image, of the disc with the area of the object nearest the middle.

    Args:
        image: (H, W) one shot with one cell about the middle, uint8 or float32, any gain and offset, at least 32 px.

    Returns:
        Pixels; 0 where nothing stands out.

    Raises:
        BadFrame: The image is too small or not a plane.
    """
    mask = object_mask(image)
    widened: float = _WIDENED_SHARE * min(image.shape)
    across: float = 2 * sqrt(np.count_nonzero(mask) / pi)
    return max(0.0, across - widened)


def object_mask(image: npt.NDArray[np.uint8] | F32) -> npt.NDArray[np.bool_]:
    """The pixels (H, W) of the object nearest the middle, its holes filled."""
    if image.ndim != 2 or min(image.shape) < 32:
        raise BadFrame(f"image {image.shape}: need a plane of at least 32 x 32")
    plane = image.astype(np.float32)
    sigma = _SMOOTH_SHARE * min(plane.shape)
    smooth = _blurred(plane, sigma)
    slope_y, slope_x = np.gradient(smooth)
    energy = _blurred(np.asarray(slope_y**2 + slope_x**2, np.float32), sigma)
    floor = float(np.median(energy[_rim(plane.shape)]))
    peak = float(np.quantile(energy, _PEAK_QUANTILE))
    above = energy > floor + _LEVEL * (peak - floor)
    if not above.any():
        return above
    solid = _morph(above.astype(np.uint8), cv2.MORPH_CLOSE, _CLOSE_SHARE)
    solid = _morph(_filled(solid), cv2.MORPH_OPEN, _OPEN_SHARE)
    return _nearest_middle(solid).astype(bool)


def _blurred(plane: F32, sigma: float) -> F32:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def _morph(mask: npt.NDArray[np.uint8], operation: int, share: float) -> npt.NDArray[np.uint8]:
    """A morphological operation with a disc of radius `share` of the image's side, away from the border's influence."""
    radius = max(1, round(share * min(mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    pad = 2 * radius
    wide = cv2.morphologyEx(np.pad(mask, pad), operation, disc)
    return np.ascontiguousarray(wide[pad:-pad, pad:-pad])


def _rim(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    width = max(2, min(shape) // 12)
    rim = np.ones(shape, bool)
    rim[width:-width, width:-width] = False
    return rim


def _nearest_middle(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The component that is large and near the middle: greatest area x exp(-(distance / quarter side)²)."""
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    middle = (np.array(mask.shape[::-1]) - 1) / 2
    far = np.linalg.norm(centres[1:] - middle, axis=1) / (min(mask.shape) / 4)
    if count == 1:
        return np.zeros_like(mask)
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA] * np.exp(-(far**2))))
    return np.asarray(labels == best, np.uint8)


def _filled(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED))
