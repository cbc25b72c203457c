"""From camera counts to one flat-fielded frame at 0.686 µm/px: the first step, and the only one that reads every pixel.

One reduced pixel is the mean of the camera pixels under its area (an anti-aliased downsampling). The factor is
exactly 0.686 / pixel_size_um, also where it does not divide the frame: reduced pixel k covers the camera's
[k f - 1/2, (k + 1) f - 1/2), the remainder at the right and lower border (less than one reduced pixel) is left out.
So x_full = (x_red + 1/2) f - 1/2 holds everywhere, with 0 = the centre of the first pixel in both scales.

Knows arrays and the camera; no cells, no clock. Pin BLAS to one thread in the process that calls this.
"""

from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadFrame, BadInput
from phenostream.engine.flatfield import FlatField
from phenostream.engine.frame_checks import four_shot_residual, frame_flags, saturated_shares
from phenostream.engine.types import CROP_PX, F32, REDUCED_PIXEL_UM, Camera, Frame, Reduced

_HALVINGS: Final = {2: 1, 4: 2, 8: 3}
_LEAST_COUNTS: Final = 1000.0
_OUTPUT_ROWS: Final = 8
_OUTPUT_COLUMNS: Final = 16
_ONE_THREAD: Final = 1 << 18


def full_from_reduced(position: F32, factor: float) -> F32:
    """Camera pixel of a reduced-pixel position; both count from the centre of their first pixel."""
    return (position + np.float32(0.5)) * np.float32(factor) - np.float32(0.5)


def reduced_from_full(position: F32, factor: float) -> F32:
    """Reduced pixel of a camera-pixel position: the inverse of `full_from_reduced`."""
    return (position + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)


def reduced_shape(camera: Camera, shape: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of a reduced shot; says whether frames of (H, W) camera pixels can be reduced, and allocates nothing.

    Raises:
        BadInput: The pixel is larger than 0.686 µm, the levels are not in order, or the frame is smaller than one crop.
    """
    if not 0.05 <= camera.pixel_size_um <= REDUCED_PIXEL_UM:
        raise BadInput(f"pixel_size_um {camera.pixel_size_um}: allowed 0.05 to {REDUCED_PIXEL_UM}")
    if not camera.white_level > camera.dark_level:
        raise BadInput(
            f"white_level {camera.white_level}: must exceed dark_level {camera.dark_level}"
        )
    factor = _factor(camera)
    reduced = int(shape[0] / factor + 1e-9), int(shape[1] / factor + 1e-9)
    if min(reduced) < CROP_PX:
        least = int(np.ceil(CROP_PX * factor))
        raise BadInput(
            f"frame {shape[0]} x {shape[1]}: at least {least} pixels a side at "
            f"{camera.pixel_size_um} µm"
        )
    return reduced


class Reducer:
    """Reduces frames of one camera and one shape. Holds buffers: one instance per thread.

    Attributes:
        factor: Camera pixels per reduced pixel.
        reduced_shape: (h, w) of a reduced shot.
    """

    def __init__(
        self, camera: Camera, shape: tuple[int, int], kernel: Literal["area"] = "area"
    ) -> None:
        """Choose the quickest exact way for this camera and allocate its buffers.

        Args:
            camera: Levels, dtype and pixel size as announced at START.
            shape: (H, W) of one shot, camera pixels.
            kernel: Reduction kernel of the model bundle; only ``area`` is served.

        Raises:
            BadInput: See `reduced_shape`.
        """
        if kernel != "area":
            raise BadInput(f"reduction kernel {kernel!r}: this version serves 'area' only")
        self.reduced_shape = reduced_shape(camera, shape)
        self.factor = _factor(camera)
        self._shape = (4, *shape)
        self._dtype = np.dtype(np.uint8 if camera.dtype == "u8" else "<u2")
        span = camera.white_level - camera.dark_level
        self._scale = np.float32(1.0 / span)
        self._offset = np.float32(-camera.dark_level / span)
        halvings = _HALVINGS.get(int(self.factor)) if self.factor == int(self.factor) else None
        self._area: _Halving | _Banded = (
            _Halving(shape, halvings)
            if halvings and self._dtype == np.uint16 and span >= _LEAST_COUNTS
            else _Banded(shape, self.reduced_shape, self.factor)
        )
        self._flat_field = FlatField(self.reduced_shape)

    def reduce(self, frame: Frame) -> Reduced:
        """Reduce one frame.

        Args:
            frame: (4, H, W) raw counts, C order; may be a read-only view of a received message. Not kept.

        Returns:
            The reduced frame in arrays of its own. Dark or saturated shots give finite values.

        Raises:
            BadFrame: Shape, dtype or order differ from what START announced.
        """
        if frame.shape != self._shape or frame.dtype != self._dtype:
            raise BadFrame(
                f"frame {frame.shape} {frame.dtype}: announced {self._shape} {self._dtype}"
            )
        if not frame.flags.c_contiguous:
            raise BadFrame(f"frame {frame.shape}: must be in C order")
        shots = np.empty((4, *self.reduced_shape), np.float32)
        for shot, counts in zip(shots, frame, strict=True):
            self._area.mean(counts, shot)
        np.multiply(shots, self._scale, out=shots)
        np.add(shots, self._offset, out=shots)
        saturated = saturated_shares(shots)
        levels = self._flat_field.remove(shots)
        flags = frame_flags(shots, levels, saturated, self.factor)
        return Reduced(shots, self.factor, four_shot_residual(shots, levels), flags)


def _factor(camera: Camera) -> float:
    """Camera pixels per reduced pixel, with a rounding error around an integer removed."""
    factor = REDUCED_PIXEL_UM / camera.pixel_size_um
    return float(round(factor)) if abs(factor - round(factor)) < 1e-9 else factor


class _Halving:
    """Factor 2, 4 or 8 of u16 by repeated 2 x 2 means (vectorised in OpenCV).

    Each step rounds to a whole count: an error of one count at most, of at least a thousand from dark to white.
    """

    def __init__(self, shape: tuple[int, int], halvings: int) -> None:
        self._side = 1 << halvings
        self._sizes = [
            ((shape[0] // self._side) * self._side >> k, (shape[1] // self._side) * self._side >> k)
            for k in range(1, halvings + 1)
        ]
        self._buffers = [np.empty(size, np.uint16) for size in self._sizes]

    def mean(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        h, w = out.shape
        source = counts[: h * self._side, : w * self._side]
        for buffer in self._buffers:
            cv2.resize(source, buffer.shape[::-1], dst=buffer, interpolation=cv2.INTER_AREA)
            source = buffer
        out[...] = source


class _Banded:
    """Any factor of 1 or more: rows, then columns, each as small dense blocks of the banded area matrix."""

    def __init__(self, shape: tuple[int, int], reduced: tuple[int, int], factor: float) -> None:
        self._rows = _bands(shape[0], reduced[0], factor, _OUTPUT_ROWS)
        self._columns = [
            (start, stop, first, last, np.ascontiguousarray(weights.T))
            for start, stop, first, last, weights in _bands(
                shape[1], reduced[1], factor, _OUTPUT_COLUMNS
            )
        ]
        tallest = max(last - first for _, _, first, last, _ in self._rows)
        self._counts = np.empty((tallest, shape[1]), np.float32)
        self._half = np.empty((reduced[0], shape[1]), np.float32)

    def mean(self, counts: npt.NDArray[np.generic], out: F32) -> None:
        for start, stop, first, last, weights in self._rows:
            block = self._counts[: last - first]
            block[...] = counts[first:last]
            for columns in _pieces(block.shape[1], weights.size):
                np.matmul(weights, block[:, columns], out=self._half[start:stop, columns])
        for start, stop, first, last, weights in self._columns:
            for rows in _pieces(len(out), weights.size):
                np.matmul(self._half[rows, first:last], weights, out=out[rows, start:stop])


def _pieces(length: int, per_item: int) -> list[slice]:
    """Parts so small that BLAS (which may not be pinned) does not wake other threads for them."""
    step = max(1, _ONE_THREAD // per_item)
    return [slice(start, start + step) for start in range(0, length, step)]


def _bands(
    length: int, reduced: int, factor: float, step: int
) -> list[tuple[int, int, int, int, F32]]:
    """Blocks (start, stop, first, last, weights): outputs start:stop are weights @ inputs first:last.

    Needs memory in proportion to the length, never to its square: a stranger's START may announce a long frame.
    """
    blocks = []
    for start in range(0, reduced, step):
        stop = min(start + step, reduced)
        edges = np.arange(start, stop + 1) * factor
        first = int(edges[0])
        pixel = np.arange(first, min(length, int(np.ceil(edges[-1]))))
        overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
        weights = (np.clip(overlap, 0.0, None) / factor).astype(np.float32)
        used = np.flatnonzero(weights.any(axis=0))
        block = np.ascontiguousarray(weights[:, used[0] : used[-1] + 1])
        blocks.append((start, stop, first + int(used[0]), first + int(used[-1]) + 1, block))
    return blocks
