"""From detections to model input: 28 x 28 slices of the reduced frame, and the background the model divides by.

Cuts at whole pixels (no interpolation, so a crop's pixels are the frame's pixels): the cell's centre lies within
half a pixel of the crop's. `ring_background` is the one definition of background, for the trainer and the daemon.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CROP_PX, F32, RING_PX, Bool, Crops, Detections, Reduced

_Index = npt.NDArray[np.intp]


def _ring() -> _Index:
    inside = np.zeros((CROP_PX, CROP_PX), bool)
    inside[RING_PX:-RING_PX, RING_PX:-RING_PX] = True
    return np.flatnonzero(~inside)


_RING: Final = _ring()


def crop_starts(centres: F32) -> _Index:
    """First pixel, along one axis, of the crop around each centre (reduced pixels); may lie outside the frame."""
    starts: _Index = np.floor(centres - (CROP_PX / 2 - 1)).astype(np.intp)
    return starts


def leaves_frame(y: F32, x: F32, shape: tuple[int, int]) -> Bool:
    """True for cells whose crop would leave a reduced frame of this (h, w)."""
    top, left = crop_starts(y), crop_starts(x)
    return (top < 0) | (left < 0) | (top + CROP_PX > shape[0]) | (left + CROP_PX > shape[1])


def select(detections: Detections, chosen: Bool) -> Detections:
    """The chosen cells, in order.

    Args:
        detections: N cells.
        chosen: (N,) bool.
    """
    return Detections(
        detections.y[chosen],
        detections.x[chosen],
        detections.diameter_um[chosen],
        detections.contrast[chosen],
        detections.edge[chosen],
    )


def cut_crops(reduced: Reduced, detections: Detections) -> Crops:
    """Cut the cells that are not at the edge, in order.

    Returns:
        Crops of the M non-edge cells, images (M, 4, 28, 28), in arrays of their own; M may be 0.
    """
    inside = ~detections.edge
    top = crop_starts(detections.y[inside])
    left = crop_starts(detections.x[inside])
    windows = np.lib.stride_tricks.sliding_window_view(
        reduced.shots, (CROP_PX, CROP_PX), axis=(1, 2)
    ).transpose(1, 2, 0, 3, 4)
    images = np.ascontiguousarray(windows[top, left])
    return Crops(images, ring_background(images))


def ring_background(images: F32) -> F32:
    """Per-shot median of the crop's outer two-pixel ring (208 pixels; the mean of the two middle ones).

    Args:
        images: (N, 4, 28, 28) float32; N may be 0.

    Returns:
        (N, 4) float32.
    """
    ring = images.reshape(len(images), 4, CROP_PX * CROP_PX).take(_RING, axis=2)
    upper = _RING.size // 2
    ring.partition(upper, axis=-1)
    background: F32 = np.float32(0.5) * (ring[..., :upper].max(axis=-1) + ring[..., upper])
    return background
