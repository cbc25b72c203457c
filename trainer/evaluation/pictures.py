"""Small pictures of one cell: its four shots, their differences, and a map over it, as PNG.

Grey scales are fixed, not fitted to the cell, so that two pictures can be compared. Knows one crop; chooses nothing.
"""

import base64
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CROP_PX, F32, U8

_ENLARGED: Final = 3
_GAP_PX: Final = 1
_SHOT_RANGE: Final = 0.6
"""A shot is black at this much below its background and white at as much above."""
_DIFFERENCE_RANGE: Final = 0.45
_LEAST_LEVEL: Final = 1e-3


def grey(images: F32, background: F32) -> list[U8]:
    """Six grey panels of one cell: left, right, top, bottom, left-right and top-bottom difference.

    Args:
        images: (4, 28, 28), fraction of full scale.
        background: (4,).
    """
    level = images / np.maximum(background, np.float32(_LEAST_LEVEL))[:, None, None]
    left, right, top, bottom = level
    across = (left - right) / np.maximum(left + right, _LEAST_LEVEL)
    down = (top - bottom) / np.maximum(top + bottom, _LEAST_LEVEL)
    shots = [_bytes((shot - 1) / _SHOT_RANGE) for shot in level]
    return [*shots, *(_bytes(one / _DIFFERENCE_RANGE) for one in (across, down))]


def heat(plane: F32) -> U8:
    """A map (28, 28) from 0 to its own largest value, in colour (28, 28, 3), blue, green, red."""
    scaled = (255 * plane / max(float(plane.max()), 1e-12)).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO), np.uint8)


def beside(panels: list[U8]) -> U8:
    """Panels in a row with a white line between them, (28, W, 3)."""
    line = np.full((CROP_PX, _GAP_PX, 3), 255, np.uint8)
    row: list[U8] = []
    for panel in panels:
        row += [line, panel if panel.ndim == 3 else np.repeat(panel[..., None], 3, axis=2)]
    return np.concatenate(row[1:], axis=1)


def enlarged(panel: U8) -> U8:
    """Every pixel three times as wide and high, nothing interpolated."""
    return np.repeat(np.repeat(panel, _ENLARGED, axis=0), _ENLARGED, axis=1)


def png(panel: U8) -> str:
    """A PNG file, base64."""
    grey_only = panel[..., 0] if panel.ndim == 3 and not np.ptp(panel, axis=2).any() else panel
    _, file = cv2.imencode(".png", grey_only, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return base64.b64encode(file.tobytes()).decode("ascii")


def _bytes(share: npt.NDArray[Any]) -> U8:
    """-1 to 1 as 0 to 255."""
    return np.clip(127.5 + 127.5 * share, 0, 255).astype(np.uint8)
