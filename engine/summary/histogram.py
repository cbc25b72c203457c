"""Histograms of z scores: steps of 0.005 from -8 to 8, the ends gathering what lies beyond.

A quantile or a rank is exact to one step, and a histogram merges with another without loss.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Histogram = npt.NDArray[np.int64]
"""(`BINS`,) values per step."""

STEP: Final = 0.005
LIMIT: Final = 8.0
BINS: Final = round(2 * LIMIT / STEP)
LEAST_FOR_PERCENTILE: Final = 100
"""Values among which a percentile is told: with fewer, one value is more than a percent."""


def steps(z: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """The step of each z score."""
    step = np.floor((z.astype(np.float64) + LIMIT) / STEP)
    return np.clip(step, 0, BINS - 1).astype(np.int64)


def quantile(histogram: Histogram, q: float) -> float:
    """The z at the centre of the step that holds the value of rank ceil(q n); at least one value."""
    return (_quantile_step(histogram, q) + 0.5) * STEP - LIMIT


def percentile(among: Histogram, values: Histogram) -> float | None:
    """Where the median of some values stands among others, 0 to 100; those in its step count half.

    Returns:
        None without values, or among fewer than `LEAST_FOR_PERCENTILE`.
    """
    total = int(among.sum())
    if total < LEAST_FOR_PERCENTILE or not values.any():
        return None
    step = _quantile_step(values, 0.5)
    below = int(among[:step].sum()) + int(among[step]) / 2
    return 100.0 * below / total


def _quantile_step(histogram: Histogram, q: float) -> int:
    rank = max(1, int(np.ceil(q * int(histogram.sum()))))
    return int(np.searchsorted(np.cumsum(histogram), rank))
