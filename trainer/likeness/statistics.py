"""What is measured on one stretched picture of a cell: profile, spectra, fine contrast, background, size, asymmetry.

Knows pixels and their size; never a class, nor whether a picture is real or simulated: the same code measures both.
Every picture is stretched to 0..255 first, as the published ones were, so all contrasts are shares of a picture's own
range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.measure import apparent_diameter, object_mask

F32 = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8] | F32

SIDE_PX: Final = 128
PIXEL_UM: Final = 0.2
RADII_UM: Final = np.arange(0.5, 12.0, 1.0)
"""Middles of the rings of the radial profile, µm."""
FREQUENCIES: Final = np.array((0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.1))
"""Middles of the spectral bins, cycles/µm; the optics passes 1.94."""
SCALARS: Final = (
    "diameter_um",
    "background_level",
    "background_sd",
    "background_fine_sd",
    "background_slope",
    "fine_contrast",
    "coarse_contrast",
    "edge_contrast",
    "asymmetry",
    "dipole",
)
"""Names of the single figures, in the order of `PictureStatistics.scalars`."""
_CORNER_PX: Final = 32
_AWAY_PX: Final = 12
_FINE_PX: Final = (1.0, 2.0)
_COARSE_PX: Final = (3.0, 6.0)


@dataclass(frozen=True, slots=True)
class PictureStatistics:
    """Of N pictures; grey levels are of 255.

    Attributes:
        scalars: (N, 10) float32, in the order of `SCALARS`: diameter µm; background level, share of the range; sd of
            the background, of what is fine in it (0.2 to 0.4 µm), and of the plane fitted to it; sd of fine (0.2 to
            0.4 µm) and of coarse (0.6 to 1.2 µm) structure in the inner half of the cell, sd of the fine in its outer
            half; share of the departure from the background that is brighter; right half minus left half.
        profile: (N, 12) float32, mean over each ring of `RADII_UM`, minus the background.
        spread: (N, 12) float32, sd within each ring.
        spectrum: (N, 11) float32, log10 of the power about the cell by `FREQUENCIES`.
        background_spectrum: (N, 11) float32, likewise of the four corners.
    """

    scalars: F32
    profile: F32
    spread: F32
    spectrum: F32
    background_spectrum: F32

    def __len__(self) -> int:
        return len(self.scalars)

    @property
    def features(self) -> F32:
        """Everything as one table (N, 56), for a model that tells two pools apart."""
        parts = (
            self.scalars,
            self.profile,
            self.spread,
            self.spectrum,
            self.background_spectrum,
        )
        return np.concatenate(parts, axis=1)


def measure_pictures(pictures: Sequence[Picture]) -> PictureStatistics:
    """Measure pictures of one cell each.

    Args:
        pictures: (128, 128) each at 0.2 µm, as DPC_Left shows them, bright edge on the right; any gain and offset.

    Raises:
        BadFrame: A picture is too small or not a plane.
    """
    rows = [_measure(_stretched(picture)) for picture in pictures]
    columns = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    return PictureStatistics(*columns)


def _measure(picture: F32) -> tuple[list[float], F32, F32, F32, F32]:
    mask = object_mask(picture)
    if not mask.any():
        mask = _radius(picture.shape, (SIDE_PX - 1) / 2, (SIDE_PX - 1) / 2) < 3.0
    near = cv2.dilate(mask.astype(np.uint8), _disc(_AWAY_PX)).astype(bool)
    away = ~near if np.count_nonzero(~near) > 1000 else ~mask
    level = float(np.median(picture[away]))
    rows, columns = np.nonzero(mask)
    radius = _radius(picture.shape, float(rows.mean()), float(columns.mean()))
    change = picture - level
    scalars = [
        apparent_diameter(picture) * PIXEL_UM,
        level / 255,
        *_background(picture, away),
        *_contrasts(picture, mask),
        *_sides(change, mask, float(columns.mean())),
    ]
    profile, spread = _rings(change, radius)
    return (
        scalars,
        profile,
        spread,
        _spectrum(change[None]),
        _spectrum(_corners(picture)),
    )


def _stretched(picture: Picture) -> F32:
    plane = np.asarray(picture, np.float32)
    span = float(np.ptp(plane)) or 1.0
    return np.asarray((plane - plane.min()) / span * 255, np.float32)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    size = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), np.uint8)


def _radius(shape: tuple[int, ...], row: float, column: float) -> F32:
    """Distance from a point, µm."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (np.hypot(y - row, x - column) * PIXEL_UM).astype(np.float32)


def _between(picture: F32, sds: tuple[float, float]) -> F32:
    fine, coarse = (cv2.GaussianBlur(picture, (0, 0), sd) for sd in sds)
    return np.asarray(fine - coarse, np.float32)


def _background(picture: F32, away: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Sd of the background, of its fine structure, and of the plane that fits it best."""
    values = picture[away]
    rows, columns = np.nonzero(away)
    line = np.stack([np.ones(len(rows)), rows, columns], axis=1)
    plane = line @ np.linalg.lstsq(line, values, rcond=None)[0]
    fine = _between(picture, _FINE_PX)[away]
    return float(values.std()), float(fine.std()), float(plane.std())


def _contrasts(picture: F32, mask: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Sd of fine and coarse structure in the inner half of the mask's area, and of the fine in the outer half."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    inner = depth > np.median(depth[mask])
    outer = mask & ~inner
    fine, coarse = _between(picture, _FINE_PX), _between(picture, _COARSE_PX)
    return float(fine[inner].std()), float(coarse[inner].std()), float(fine[outer].std())


def _sides(change: F32, mask: npt.NDArray[np.bool_], middle: float) -> tuple[float, float]:
    """Share of the departure that is brighter than the background; mean of the right half minus that of the left."""
    wide = cv2.dilate(mask.astype(np.uint8), _disc(6)).astype(bool)
    inside = change[wide]
    total = float(np.abs(inside).sum()) or 1.0
    aside = np.arange(change.shape[1])[None, :] - middle
    halves = change[wide & (aside > 0.5)], change[wide & (aside < -0.5)]
    apart = float(halves[0].mean() - halves[1].mean()) if all(map(len, halves)) else 0.0
    return float(inside[inside > 0].sum()) / total, apart


def _rings(change: F32, radius: F32) -> tuple[F32, F32]:
    ring = np.floor(radius / (RADII_UM[1] - RADII_UM[0])).astype(int)
    inside = ring < len(RADII_UM)
    count = np.maximum(np.bincount(ring[inside], minlength=len(RADII_UM)), 1)
    mean = np.bincount(ring[inside], change[inside], len(RADII_UM)) / count
    square = np.bincount(ring[inside], change[inside] ** 2, len(RADII_UM)) / count
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    return mean.astype(np.float32), spread.astype(np.float32)


def _corners(picture: F32) -> F32:
    """The four corners (4, 32, 32)."""
    low, high = slice(0, _CORNER_PX), slice(-_CORNER_PX, None)
    return np.stack([picture[a, b] for a in (low, high) for b in (low, high)])


def _spectrum(planes: F32) -> F32:
    """Log10 of the mean power of planes under a Hann window, by `FREQUENCIES`, in grey² · µm²."""
    n = planes.shape[-1]
    window = np.outer(np.hanning(n), np.hanning(n)).astype(np.float32)
    flat = (planes - planes.mean(axis=(-2, -1), keepdims=True)) * window
    power = np.abs(np.fft.fft2(flat)) ** 2 * PIXEL_UM**2 / float((window**2).sum())
    freq = np.fft.fftfreq(n, PIXEL_UM)
    at = np.hypot(freq[:, None], freq[None])
    edges = np.concatenate([[0.04], (FREQUENCIES[1:] + FREQUENCIES[:-1]) / 2, [2.3]])
    which = np.digitize(at, edges) - 1
    mean = power.mean(axis=0)
    found = [
        mean[which == index].mean() if (which == index).any() else np.nan
        for index in range(len(FREQUENCIES))
    ]
    return np.log10(np.maximum(_filled(np.array(found)), 1e-6)).astype(np.float32)


def _filled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Bins that a small plane has no sample in take their neighbours' value."""
    known = np.isfinite(values)
    return np.asarray(np.interp(FREQUENCIES, FREQUENCIES[known], values[known]), np.float64)
