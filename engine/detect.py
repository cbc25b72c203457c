"""Finds cells in a reduced frame, from what makes them visible: the shading dipole of every phase object.

The normalised differences DPC_x = (L - R)/(L + R) and DPC_y = (B - T)/(B + T) point outward all around a cell
(SPEC f.2: light tilted toward +x brightens the +x edge; ``bottom`` brightens the bottom, y down). Their smoothed
divergence is therefore one positive blob per cell, the same whether the cell is in focus or not, and blind to
brightness, absorption and shot gains. Cells are its local maxima.

With one shot of a pair its departure from its own level stands for the pair's contrast; with one pair only, the
divergence along its axis counts twice. Both see the same cells with more noise, and the first sees absorption too.

Works at half the reduced resolution (1.372 µm), with a few separable filters; no step loops over cells.
Knows arrays; no camera, no clock.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.crop import leaves_frame
from phenostream.engine.errors import BadConfig
from phenostream.engine.outline import Index, Outline
from phenostream.engine.types import F32, REDUCED_PIXEL_UM, Bool, Detections, Reduced

_HALF_PIXEL_UM: Final = 2 * REDUCED_PIXEL_UM
_TINY: Final = np.float32(1e-3)
_ALLOWED: Final = {
    "scale_um": (1.4, 12.0),
    "separation_um": (1.4, 40.0),
    "least_divergence_per_um": (0.0, 1.0),
    "least_contrast": (1.0, 1000.0),
    "least_of_neighbour": (0.0, 1.0),
    "neighbour_um": (1.4, 100.0),
}


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What counts as a cell.

    Attributes:
        scale_um: Standard deviation of the blob filter; half a small cell's radius to a large cell's radius.
        separation_um: Two maxima closer than this are one cell.
        least_divergence_per_um: Weakest blob, in DPC contrast per µm; cells reach 0.02 to 0.2.
        least_contrast: Weakest blob in units of the frame's pixel noise carried through the filter.
        least_of_neighbour: Weakest blob as a share of the strongest within `neighbour_um`: halos are weaker.
        neighbour_um: Reach of a bright cell's halo.
    """

    scale_um: float = 2.75
    separation_um: float = 4.2
    least_divergence_per_um: float = 0.012
    least_contrast: float = 8.0
    least_of_neighbour: float = 0.15
    neighbour_um: float = 16.0

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            BadConfig: Naming the key, the value and the allowed range.
        """
        for key, (low, high) in _ALLOWED.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise BadConfig(f"detect.{key} {value}: allowed {low} to {high}")


class Detector:
    """Finds the cells of frames of one reduced size. Holds filters: one instance per thread."""

    def __init__(
        self,
        shape: tuple[int, int],
        settings: DetectorSettings = DetectorSettings(),
    ) -> None:
        """Prepare the filters.

        Args:
            shape: (h, w) of a reduced shot.
            settings: What counts as a cell.
        """
        self._shape = shape
        self._half = (shape[1] // 2, shape[0] // 2)
        self._settings = settings
        sigma = settings.scale_um / _HALF_PIXEL_UM
        reach = int(np.ceil(3 * sigma))
        offset = np.arange(-reach, reach + 1, dtype=np.float64)
        bell = np.exp(-(offset**2) / (2 * sigma**2))
        smooth = bell / bell.sum()
        slope = offset * smooth / (np.sum(offset**2 * smooth) * _HALF_PIXEL_UM)
        self._smooth = smooth.astype(np.float32)
        self._slope = slope.astype(np.float32)
        self._axis_gain = float(np.sqrt(np.sum(smooth**2) * np.sum(slope**2)))
        self._near = _disc(settings.separation_um / _HALF_PIXEL_UM)
        reach = 2 * int(settings.neighbour_um / _HALF_PIXEL_UM) + 1
        self._far = cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach))
        self._outline = Outline(self._half[::-1])

    def detect(self, reduced: Reduced) -> Detections:
        """Find the cells of one frame.

        Args:
            reduced: Frame of the announced shape.

        Returns:
            Cells sorted by (y, x); the same frame gives the same cells. Empty for a frame without light.
        """
        contrasts = self._contrasts(reduced)
        measured = [contrast for contrast in contrasts if contrast is not None]
        blobs = self._divergence(*contrasts)
        noise = self._axis_gain * 2 / np.sqrt(len(measured)) * _pixel_noise(measured)
        row, column = self._maxima(blobs, noise)
        dpc_x, dpc_y = (np.zeros_like(blobs) if one is None else one for one in contrasts)
        y_half, x_half, diameter_half = self._outline.measure(dpc_x, dpc_y, row, column)
        y, x = np.float32(2) * y_half + np.float32(0.5), np.float32(2) * x_half + np.float32(0.5)
        diameter_um = diameter_half * np.float32(_HALF_PIXEL_UM)
        contrast = blobs[row, column] / np.float32(max(noise, 1e-9))
        order = np.lexsort((x, y))
        edge: Bool = leaves_frame(y, x, self._shape)
        return Detections(y[order], x[order], diameter_um[order], contrast[order], edge[order])

    def _contrasts(self, reduced: Reduced) -> tuple[F32 | None, F32 | None]:
        """DPC_x and DPC_y at half resolution, each pair first brought to one level; None for a pair that is absent."""
        w, h = self._half
        left, right, top, bottom = (
            cv2.resize(shot[: 2 * h, : 2 * w], self._half, interpolation=cv2.INTER_AREA)
            if present
            else None
            for shot, present in zip(reduced.shots, reduced.present, strict=True)
        )
        return _contrast(left, right), _contrast(bottom, top)

    def _divergence(self, dpc_x: F32 | None, dpc_y: F32 | None) -> F32:
        """Smoothed divergence of the contrast, per µm; outside the frame the contrast is taken as zero."""
        border = cv2.BORDER_CONSTANT
        along = []
        if dpc_x is not None:
            along.append(cv2.sepFilter2D(dpc_x, -1, self._slope, self._smooth, borderType=border))
        if dpc_y is not None:
            along.append(cv2.sepFilter2D(dpc_y, -1, self._smooth, self._slope, borderType=border))
        return _f32(np.add(along[0], along[-1], out=along[0]))

    def _maxima(self, blobs: F32, noise: float) -> tuple[Index, Index]:
        limit = max(self._settings.least_divergence_per_um, self._settings.least_contrast * noise)
        strongest = cv2.dilate(blobs, self._far)
        strongest *= np.float32(self._settings.least_of_neighbour)
        found = (blobs >= cv2.dilate(blobs, self._near)) & (blobs > strongest) & (blobs > limit)
        row, column = np.nonzero(found)
        return row, column


def detect(reduced: Reduced, settings: DetectorSettings = DetectorSettings()) -> Detections:
    """Find the cells of one frame; for a stream, keep one `Detector`."""
    height, width = reduced.shots.shape[1:]
    return Detector((height, width), settings).detect(reduced)


def _contrast(first: F32 | None, second: F32 | None) -> F32 | None:
    """The contrast of a pair, or of the one shot of it that was taken."""
    if first is not None and second is not None:
        return _normalised_difference(first, second)
    if first is not None:
        return _departure(first, 1.0)
    return None if second is None else _departure(second, -1.0)


def _normalised_difference(first: F32, second: F32) -> F32:
    """(first - second) / (first + second), the second scaled to the first's median level; 0 without light."""
    level_first, level_second = _level(first), _level(second)
    if level_first <= _TINY or level_second <= _TINY:
        return np.zeros_like(first)
    scaled = second * np.float32(level_first / level_second)
    total = first + scaled
    np.maximum(total, _TINY, out=total)
    np.subtract(first, scaled, out=scaled)
    return _f32(np.divide(scaled, total, out=scaled))


def _departure(shot: F32, sign: float) -> F32:
    """(shot - level) / level, with a sign; 0 without light."""
    level = _level(shot)
    if level <= _TINY:
        return np.zeros_like(shot)
    return _f32(shot * np.float32(sign / level) - np.float32(sign))


def _level(shot: F32) -> float:
    return float(np.median(shot[::4, ::4]))


def _pixel_noise(contrasts: list[F32]) -> float:
    """Noise of one contrast pixel: from differences of neighbours, by their median, so that cells do not count."""
    steps = [np.abs(one[::3, 1::2] - one[::3, : one.shape[1] // 2 * 2 : 2]) for one in contrasts]
    return float(1.4826 / np.sqrt(2) * np.median(np.concatenate(steps, axis=None)))


def _disc(radius: float) -> npt.NDArray[np.uint8]:
    reach = int(radius)
    y, x = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    return (y**2 + x**2 <= radius**2).astype(np.uint8)


def _f32(values: npt.ArrayLike) -> F32:
    return np.asarray(values, np.float32)
