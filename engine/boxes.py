"""Boxes in a picture: (N, 4) float32, left, top, right, bottom, as borders of pixels."""

import numpy as np

from phenostream.engine.types import F32


def overlap(one: F32, other: F32) -> F32:
    """Intersection over union of every box of `one` (N, 4) with every box of `other` (M, 4), as (N, M)."""
    shared = _sides(
        np.maximum(one[:, None, :2], other[None, :, :2]),
        np.minimum(one[:, None, 2:], other[None, :, 2:]),
    )
    total = _sides(one[:, :2], one[:, 2:])[:, None] + _sides(other[:, :2], other[:, 2:])[None]
    return np.asarray(shared / np.maximum(total - shared, 1e-9), np.float32)


def _sides(low: F32, high: F32) -> F32:
    """Area between corners (..., 2); 0 where they are the wrong way round."""
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=-1), np.float32)


def widened(boxes: F32, margin: float) -> F32:
    """Boxes (N, 4) with `margin` of their width and height added on each side."""
    added = (boxes[:, 2:] - boxes[:, :2]) * np.float32(margin)
    return np.concatenate([boxes[:, :2] - added, boxes[:, 2:] + added], axis=1)
