"""From camera counts to one flat-fielded frame at 0.686 µm/px: the first step, and the only one that reads every pixel.

The factor is exactly 0.686 / pixel_size_um, also where it does not divide the frame; the remainder at the right and
lower border (less than one reduced pixel) is left out. So x_full = (x_red + 1/2) f - 1/2 holds everywhere, with 0 = the
centre of the first pixel in both scales. A camera pixel above 0.686 µm (a factor below 1) is interpolated: that brings
the cells to the model's scale, not the detail that the camera did not see, so the frame is flagged `undersampled`.

Knows arrays and the camera; no cells, no clock. Pin BLAS to one thread in the process that calls this.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from phenostream.engine.background import Background
from phenostream.engine.downsampling import downsampler
from phenostream.engine.errors import BadFrame, BadInput
from phenostream.engine.flatfield import FlatField
from phenostream.engine.frame_checks import (
    frame_flags,
    light_balance,
    pixel_noise,
    saturated_shares,
)
from phenostream.engine.types import (
    CROP_PX,
    F32,
    LARGEST_PIXEL_UM,
    REDUCED_PIXEL_UM,
    SHOTS,
    SMALLEST_PIXEL_UM,
    Camera,
    Counts,
    Frame,
    Present,
    Reduced,
    ReductionKernel,
)

_LEAST_COUNTS: Final = 1000.0
"""From dark to white; a reduced pixel rounded to a whole count is then off by a thousandth at most."""


def full_from_reduced(position: F32, factor: float) -> F32:
    """Camera pixel of a reduced-pixel position; both count from the centre of their first pixel."""
    return (position + np.float32(0.5)) * np.float32(factor) - np.float32(0.5)


def reduced_from_full(position: F32, factor: float) -> F32:
    """Reduced pixel of a camera-pixel position: the inverse of `full_from_reduced`."""
    return (position + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)


def reduced_shape(
    camera: Camera, shape: tuple[int, int], largest_pixel_um: float = LARGEST_PIXEL_UM
) -> tuple[int, int]:
    """(h, w) of a reduced shot; says whether frames of (H, W) camera pixels can be reduced, and allocates nothing.

    Args:
        camera: As announced at START.
        shape: (H, W) of one shot, camera pixels.
        largest_pixel_um: Another limit than the product's, to measure what lies beyond it.

    Raises:
        BadInput: The pixel is too small or too large, the levels are not in order, or the frame is less than one crop.
    """
    if not SMALLEST_PIXEL_UM <= camera.pixel_size_um <= largest_pixel_um:
        raise BadInput(
            f"pixel_size_um {camera.pixel_size_um}: "
            f"allowed {SMALLEST_PIXEL_UM} to {largest_pixel_um}"
        )
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
    """Reduces frames of one camera, one shape and one order of shots. Holds buffers: one instance per thread.

    Attributes:
        factor: Camera pixels per reduced pixel.
        reduced_shape: (h, w) of a reduced shot.
        present: Which of `SHOTS` its frames have.
    """

    def __init__(
        self,
        camera: Camera,
        shape: tuple[int, int],
        *,
        kernel: ReductionKernel = "area",
        shots: Sequence[str] = SHOTS,
        largest_pixel_um: float = LARGEST_PIXEL_UM,
    ) -> None:
        """Choose the quickest exact way for this camera and allocate its buffers.

        Args:
            camera: Levels, dtype and pixel size as announced at START.
            shape: (H, W) of one shot, camera pixels.
            kernel: Reduction kernel of the model bundle.
            shots: Which shots a frame has, in the order they come in: 1, 2 or 4 names of `SHOTS`.
            largest_pixel_um: See `reduced_shape`.

        Raises:
            BadInput: See `reduced_shape` and `shots_present`.
        """
        self.present = shots_present(shots)
        self.reduced_shape = reduced_shape(camera, shape, largest_pixel_um)
        self.factor = _factor(camera)
        self._shots = tuple(shots)
        self._places = _places_in_engine_order(shots)
        self._shape = shape
        self._dtype = np.dtype(np.uint8 if camera.dtype == "u8" else "<u2")
        span = camera.white_level - camera.dark_level
        self._scale = np.float32(1.0 / span)
        self._offset = np.float32(-camera.dark_level / span)
        halving = self._dtype == np.uint16 and span >= _LEAST_COUNTS
        self._downsampler = downsampler(
            shape, self.reduced_shape, self.factor, kernel, halving=halving
        )
        self._flat_field = FlatField(self.reduced_shape)

    def reduce(
        self, frame: Frame | Sequence[Counts], background: Background | None = None
    ) -> Reduced:
        """Reduce one frame: `light`, then `flatten`."""
        return self.flatten(self.light(frame), background)

    def light(self, frame: Frame | Sequence[Counts]) -> F32:
        """The frame's light at the reduced size, not divided by anything.

        Args:
            frame: One (H, W) array of raw counts per announced shot, in that order, each in C order; may be read-only
                views of received messages. Not kept, and no pixel of it is copied to bring the shots into order.

        Returns:
            (n, h, w) float32, an array of its own: the shots that were taken, in `SHOTS` order, fraction of full scale.

        Raises:
            BadFrame: Number, shape, dtype or order differ from what START announced.
        """
        self._check(frame)
        light = np.empty((len(self._shots), *self.reduced_shape), np.float32)
        for place, counts in zip(self._places, frame, strict=True):
            self._downsampler.reduce(counts, light[place])
        np.multiply(light, self._scale, out=light)
        return np.add(light, self._offset, out=light)

    def flatten(self, light: F32, background: Background | None = None) -> Reduced:
        """Divide the shading out.

        Args:
            light: From `light`; changed in place and kept in the result.
            background: What to divide by; None: a smooth surface through this frame's own background.

        Returns:
            The reduced frame. Dark or saturated shots give finite values.
        """
        saturated = saturated_shares(light)
        if background is None:
            levels = self._flat_field.remove(light)
        else:
            if background.dark is not None:
                np.subtract(light, background.dark, out=light)
            np.divide(light, background.relative, out=light)
            levels = self._flat_field.levels(light)
        noise = pixel_noise(light)
        balance = light_balance(light, levels, noise)
        flags = frame_flags(
            noise * np.float32(self._downsampler.averaging),
            levels,
            saturated,
            undersampled=self.factor < 1,
            balance=balance,
        )
        residual = None if balance is None else balance.residual
        shots = light if all(self.present) else self._filled(light, levels)
        told = tuple(levels.tolist())
        return Reduced(shots, self.factor, residual, flags, self.present, told)

    def _check(self, frame: Frame | Sequence[Counts]) -> None:
        if len(frame) != len(self._shots):
            raise BadFrame(f"frame of {len(frame)} shots: announced {', '.join(self._shots)}")
        for name, counts in zip(self._shots, frame, strict=True):
            if counts.shape != self._shape or counts.dtype != self._dtype:
                raise BadFrame(
                    f"shot {name} {counts.shape} {counts.dtype}: "
                    f"announced {self._shape} {self._dtype}"
                )
            if not counts.flags.c_contiguous:
                raise BadFrame(f"shot {name} {counts.shape}: must be in C order")

    def _filled(self, taken: F32, levels: F32) -> F32:
        """All four shots: those that were not taken are flat, at the mean background of those that were."""
        shots = np.full((len(SHOTS), *self.reduced_shape), levels.mean(), np.float32)
        shots[list(self.present)] = taken
        return shots


def shots_present(shots: Sequence[str]) -> Present:
    """Which of `SHOTS` these names are.

    Raises:
        BadInput: They are not 1, 2 or 4 distinct names of `SHOTS`.
    """
    if len(shots) not in (1, 2, 4) or len(set(shots)) != len(shots) or not set(shots) <= set(SHOTS):
        raise BadInput(
            f"shots {', '.join(shots) or 'none'}: allowed 1, 2 or 4 of {', '.join(SHOTS)}, each once"
        )
    left, right, top, bottom = (shot in shots for shot in SHOTS)
    return left, right, top, bottom


def _places_in_engine_order(shots: Sequence[str]) -> list[int]:
    """Where each of these shots stands among them in `SHOTS` order."""
    ordered = [shot for shot in SHOTS if shot in shots]
    return [ordered.index(shot) for shot in shots]


def _factor(camera: Camera) -> float:
    """Camera pixels per reduced pixel, with a rounding error around an integer removed."""
    factor = REDUCED_PIXEL_UM / camera.pixel_size_um
    return float(round(factor)) if abs(factor - round(factor)) < 1e-9 else factor
