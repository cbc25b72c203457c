"""How often a window shows a share beyond its tolerance that lies exactly at it: for docs/measurements/drift.md.

Frames of some 25 classified cells, whose share differs from frame to frame (beta with a sum of `_ALIKE`); windows of 20
frames, as by default, and of 4, the fewest that may be configured; 24 other quantities that stand still are tested with
it. Run: ``python -m tests.engine.drift.measure_level``.
"""

from typing import Final

import numpy as np

from phenostream.engine.drift.quantities import Quantity, Tolerances
from phenostream.engine.drift.shifts import shifts
from phenostream.engine.drift.sums import Sums

_QUANTITIES: Final = tuple(Quantity("share", str(row)) for row in range(25))
_ALIKE: Final = 50.0
_CELLS: Final = 25
_FRAMES: Final = (20, 4)
_TRAINING_FRAMES: Final = 1000
_WINDOWS: Final = 4000
_SHARES: Final = ((0.5, 0.6), (0.02, 0.12), (0.15, 0.05), (0.12, 0.02), (0.85, 0.95))


def sums(share: float, frames: int, rng: np.random.Generator) -> Sums:
    """Of frames in which the first quantity has this share, and the others a half."""
    made = Sums(len(_QUANTITIES))
    for _ in range(frames):
        cells = rng.poisson(_CELLS)
        here = rng.beta(share * _ALIKE, (1 - share) * _ALIKE)
        parts = [rng.binomial(cells, here), *rng.binomial(cells, 0.5, len(_QUANTITIES) - 1)]
        made.add(np.array(parts, np.float64), np.full(len(_QUANTITIES), float(cells)))
    return made


def beyond(before: float, now: float, frames: int) -> float:
    """The share of windows of so many frames in which the first quantity is called beyond."""
    rng = np.random.default_rng(1)
    trained, found = sums(before, _TRAINING_FRAMES, rng), 0
    for _ in range(_WINDOWS):
        window = sums(now, frames, rng)
        found += shifts(trained, window, _QUANTITIES, Tolerances())[0].beyond
    return found / _WINDOWS


if __name__ == "__main__":
    for before, now in _SHARES:
        rates = [f"{beyond(before, now, frames):.4f}" for frames in _FRAMES]
        print(f"| {before:g} | {now:g} | {' | '.join(rates)} |")  # noqa: T201
