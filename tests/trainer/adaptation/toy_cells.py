"""Crops of every kind without a simulator: noise, and a bright square whose side says the kind."""

import numpy as np

from phenostream.trainer.data.cell_set import KINDS, CellSet


def toy_cells(count: int, seed: int = 0, gain: float = 1.0) -> CellSet:
    """As many of each kind, in turn; `gain` is of the square's contrast."""
    rng = np.random.default_rng(seed)
    kind = (np.arange(count) % len(KINDS)).astype(np.int32)
    images = np.full((count, 4, 28, 28), 0.4)
    for row, one in enumerate(kind):
        half = 3 + int(one)
        images[row, :, 14 - half : 14 + half, 14 - half : 14 + half] += gain * 0.1
    images += gain * 0.02 * rng.standard_normal(images.shape)
    return CellSet.with_labels(
        images.astype(np.float32),
        np.full((count, 4), 0.4, np.float32),
        kind,
        np.zeros((count, 4), np.float32),
        np.zeros((count, 4), np.bool_),
        np.arange(count, dtype=np.int32) // 6,
    )
