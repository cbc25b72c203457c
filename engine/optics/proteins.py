"""Latent protein levels of simulated white cells, with a known coupling to what can be seen.

Knows means, spreads, minor subsets and the coupling of SPEC f.4; does not know images. The coupling is an assumption of
the simulator: a model that finds it has shown that the pipeline works, nothing about blood.
"""

from math import log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CLASSES

F32 = npt.NDArray[np.float32]

MATURITY_CORRELATION: Final = 0.35
"""Correlation of a granulocyte's CD16 with the maturity that sets its lobes and granules."""
FLOOR_LOG10: Final = -0.25
"""Values below are raised to this, as the real columns are at their 0.5th percentile."""

_MEAN: Final = {
    "lymphocyte": (0.8, 3.8, 4.3, 0.5),
    "granulocyte": (0.8, 0.5, 3.3, 4.0),
    "monocyte": (3.5, 0.5, 4.2, 0.8),
}
_SPREAD: Final = {
    "lymphocyte": (0.7, 0.5, 0.3, 0.5),
    "granulocyte": (0.7, 0.6, 0.4, 0.45),
    "monocyte": (0.7, 0.5, 0.3, 0.5),
}
_SUBSET: Final = {
    "lymphocyte": ((0, 0.15, 3.0), (3, 0.12, 2.6)),
    "granulocyte": (),
    "monocyte": ((3, 0.15, 2.5),),
}
"""Marker index, share of the cells and mean of minor subsets: B and NK cells, CD16-bright monocytes."""
_NOISE: Final = (0.6, 0.25, 0.2, 0.2)
_REFERENCE_AREA_UM2: Final = 70.0


def draw_markers(rng: np.random.Generator, kind: str, diameter_um: float, maturity: float) -> F32:
    """One cell's four measured levels, log10, in `MARKERS` order (float32, 4).

    Args:
        rng: Source of the cell's randomness.
        kind: One of `CLASSES`.
        diameter_um: Diameter in suspension; larger cells carry more CD45 and, if granulocytes, more CD16.
        maturity: Standard normal; a granulocyte's share in CD16.
    """
    if kind not in CLASSES:
        raise KeyError(kind)
    mean = np.array(_MEAN[kind])
    for marker, share, level in _SUBSET[kind]:
        if rng.random() < share:
            mean[marker] = level
    deviate = rng.standard_normal(4)
    size = log(diameter_um**2 / _REFERENCE_AREA_UM2)
    if kind == "granulocyte":
        own = sqrt(1 - MATURITY_CORRELATION**2)
        deviate[3] = MATURITY_CORRELATION * maturity + own * deviate[3]
        mean[3] += 0.5 * size
    mean[2] += size
    latent = mean + np.array(_SPREAD[kind]) * deviate + np.array(_NOISE) * rng.standard_normal(4)
    return np.maximum(latent / log(10), FLOOR_LOG10).astype(np.float32)
