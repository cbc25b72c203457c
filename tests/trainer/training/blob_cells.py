"""Cells that are cheap to make and easy to learn."""

import numpy as np

from phenostream.trainer.data.cell_set import CellSet


def blobs(count: int, seed: int) -> CellSet:
    """Discs whose size tells the class and whose brightness tells the markers; one in six is empty."""
    rng = np.random.default_rng(seed)
    kind = np.where(np.arange(count) % 6 == 5, 5, np.arange(count) % 3).astype(np.int32)
    yy, xx = np.mgrid[:28, :28] - 13.5
    disc = np.hypot(yy, xx)[None] < np.array([3, 5, 7, 0, 0, 0])[kind][:, None, None]
    level = rng.uniform(-1, 1, count)
    images = 0.4 * (1 + disc[:, None] * (0.2 + 0.1 * level[:, None, None, None]))
    images = images + 0.004 * rng.standard_normal((count, 4, 28, 28))
    markers = np.repeat(level[:, None], 4, axis=1) + 0.1 * rng.standard_normal((count, 4))
    mask = np.repeat((kind < 3)[:, None], 4, axis=1)
    return CellSet.with_labels(
        images.astype(np.float32),
        np.full((count, 4), 0.4, np.float32),
        kind,
        np.where(mask, markers, 0).astype(np.float32),
        mask,
        (np.arange(count) // 10).astype(np.int32),
    )
