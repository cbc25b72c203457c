"""Real and drawn phase maps by one measure: how high, how much, how steep, how fine.

Knows optical path on a square grid. Real maps were taken through a microscope and drawn ones were not, so both are
brought to one grid and blurred alike before anything is measured; scales finer than the blur are not compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import pi, sqrt
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.cells import draw_object
from phenostream.engine.optics.drawing import draw
from phenostream.engine.optics.patch import GRID
from phenostream.engine.optics.presets import Preset
from phenostream.trainer.likeness.phase_maps import PhaseMaps

F32 = npt.NDArray[np.float32]

QUANTITIES: Final = (
    "diameter_um",
    "peak_um",
    "integrated_um3",
    "mean_dn",
    "edge_share",
    "fine_share",
    "coarse_share",
)
"""Columns of `PhaseStatistics.scalars`."""
SHARES: Final = np.arange(0.05, 1.3, 0.1)
"""Middles of the rings of the profile, as shares of the cell's radius."""
_BLUR_UM: Final = 0.35
_FINE_UM: Final = (0.35, 0.7)
_COARSE_UM: Final = (0.7, 1.4)
_CELL_LEVEL: Final = 0.15
"""A pixel is cell above this share of the peak."""
_UNIT_UM: Final = 1.0


@dataclass(frozen=True, slots=True)
class PhaseStatistics:
    """Of N maps.

    Attributes:
        scalars: (N, 7) float32, in the order of `QUANTITIES`: diameter of the disc of equal area, µm; 99.5th percentile
            of the path, µm; path summed over the area, µm³; path summed over the volume of the ball of that diameter,
            an index difference (a settled cell is flatter than a ball); share of the radius over which the mean profile
            falls from 80 to 20 %; sd of fine (0.35 to 0.7 µm) and coarse (0.7 to 1.4 µm) structure in the inner half
            over the peak.
        profile: (N, 13) float32, mean path by `SHARES` of the radius, over the peak.
    """

    scalars: F32
    profile: F32

    def __len__(self) -> int:
        return len(self.scalars)


def on_grid(maps: PhaseMaps) -> F32:
    """The maps (N, n, n) on the objects' own grid, µm of path, nothing around them; for display and imaging.

    Their own background is not exactly nothing: what is below a hundredth of the peak is taken for it.
    """
    scale = maps.pixel_um / GRID.pixel_um
    out = np.zeros((len(maps), GRID.n, GRID.n), np.float32)
    for row, path in zip(out, maps.path_um, strict=True):
        size = tuple(round(side * scale) for side in path.shape)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = np.asarray(cv2.resize(path, size[::-1], interpolation=how), np.float32)
        small = small[: GRID.n, : GRID.n]
        top, left = ((GRID.n - side) // 2 for side in small.shape)
        row[top : top + small.shape[0], left : left + small.shape[1]] = small
        row[row < 0.01 * row.max()] = 0
    return out


def drawn_paths(preset: Preset, kind: str, count: int, seed: int) -> F32:
    """Optical path (N, n, n), µm, of so many drawn cells of a kind."""
    rng = np.random.default_rng([seed, 7])
    planes = (draw(draw_object(rng, kind, preset), GRID, _UNIT_UM)[0] for _ in range(count))
    return np.stack([np.asarray(plane / (2 * pi / _UNIT_UM), np.float32) for plane in planes])


def measure_paths(paths: Iterable[F32]) -> PhaseStatistics:
    """Measure maps (n, n) of optical path, µm, on the objects' grid."""
    rows = [_measure(path) for path in paths]
    scalars, profile = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    return PhaseStatistics(scalars, profile)


def _measure(path: F32) -> tuple[list[float], F32]:
    smooth = _blurred(path, _BLUR_UM)
    peak = float(np.quantile(smooth[smooth > _CELL_LEVEL * smooth.max()], 0.995))
    mask = smooth > _CELL_LEVEL * peak
    rows, columns = np.nonzero(mask)
    area_um2 = len(rows) * GRID.pixel_um**2
    across = 2 * sqrt(area_um2 / pi)
    total = float(smooth[mask].sum()) * GRID.pixel_um**2
    y, x = np.ogrid[: GRID.n, : GRID.n]
    radius = np.hypot(y - rows.mean(), x - columns.mean()) * GRID.pixel_um / (across / 2)
    ring = np.floor(radius / (SHARES[1] - SHARES[0])).astype(int)
    inside = ring < len(SHARES)
    count = np.maximum(np.bincount(ring[inside], minlength=len(SHARES)), 1)
    profile = np.bincount(ring[inside], smooth[inside], len(SHARES)) / count / peak
    inner = radius < sqrt(0.5)
    fine, coarse = (
        float((_blurred(path, low) - _blurred(path, high))[inner].std()) / peak
        for low, high in (_FINE_UM, _COARSE_UM)
    )
    edge = _falls_to(profile, 0.2) - _falls_to(profile, 0.8)
    ball = pi / 6 * across**3
    return [across, peak, total, total / ball, edge, fine, coarse], profile.astype(np.float32)


def _blurred(path: F32, sd_um: float) -> F32:
    return np.asarray(cv2.GaussianBlur(path, (0, 0), sd_um / GRID.pixel_um), np.float32)


def _falls_to(profile: npt.NDArray[np.float64], share: float) -> float:
    """Share of the radius at which the profile last crosses a share of its largest value."""
    level = share * profile.max()
    last = int(np.flatnonzero(profile > level)[-1])
    if last + 1 == len(profile):
        return float(SHARES[-1])
    above, below = profile[last] - level, level - profile[last + 1]
    return float(SHARES[last] + (SHARES[1] - SHARES[0]) * above / (above + below))
