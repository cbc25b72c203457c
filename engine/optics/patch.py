"""One object as the camera sees it: a small four-shot ratio image at the camera's own pixel.

Knows sampling (band-limited, each sample integrated over its pixel) and the fade to exactly 1 at the border; does not
know what the object is, nor noise.
"""

from dataclasses import replace
from functools import lru_cache
from math import floor, pi
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.cells import SimulatedObject
from phenostream.engine.optics.drawing import ObjectGrid, draw
from phenostream.engine.optics.forward import Optics, dpc_intensity
from phenostream.engine.types import SHOTS

F32 = npt.NDArray[np.float32]
GRID: Final = ObjectGrid(160, 0.1715)
"""The objects' own grid: 27.44 µm a side, 40 reduced pixels."""
USUAL: Final = Optics()
"""The microscope that an object's inner edge of the lit annulus is told for; another one's is moved in proportion."""
TAPER_UM: Final = 1.5
"""Width over which a patch fades to exactly 1 at its border."""


def patch_shape(pixel_size_um: float) -> tuple[int, int, int]:
    """Shape (4, P, P) of an object's image at a camera pixel."""
    size = floor(GRID.extent_um / pixel_size_um + 1e-9)
    return len(SHOTS), size, size


def render_object(
    shown: SimulatedObject, pixel_size_um: float, optics: Optics, xp: ModuleType = np
) -> F32:
    """One object as the camera sees it without noise: (4, P, P) float32, I / I0, exactly 1 at the border.

    Args:
        shown: The object.
        pixel_size_um: Camera pixel at the sample.
        optics: The microscope.
        xp: Array namespace for the sum over LEDs, numpy or torch (on its default device); they differ by rounding.
    """
    if shown.na_inner is not None:
        optics = replace(optics, na_inner=shown.na_inner * (optics.na_inner / USUAL.na_inner))
    drawn = draw(shown, GRID, optics.wavelength_um)
    return image_planes(drawn, shown.defocus_um, pixel_size_um, optics, xp)


def image_planes(
    planes: tuple[F32, F32 | None],
    defocus_um: float,
    pixel_size_um: float,
    optics: Optics,
    xp: ModuleType = np,
) -> F32:
    """Phase and absorption as the camera sees them, as `render_object` returns it.

    Args:
        planes: Phase in radians and amplitude absorption (or None), each (n, n) float32 on `GRID`.
        defocus_um: Distance from the focal plane.
        pixel_size_um: Camera pixel at the sample.
        optics: The microscope.
        xp: As in `render_object`.
    """
    phase, absorption = (None if plane is None else xp.asarray(plane) for plane in planes)
    there = dpc_intensity(xp, phase, absorption, GRID.pixel_um, optics, defocus_um)
    light = np.asarray(xp.asarray(there, device="cpu"))
    sample = _camera_matrix(light.shape[-1], pixel_size_um)
    ratio = sample @ light @ sample.T
    rim = _border(ratio.shape[-1])
    level = np.median(ratio[:, rim], axis=1)[:, None, None]
    window = _window(ratio.shape[-1], pixel_size_um)
    result: F32 = (1 + window * (ratio / level - 1)).astype(np.float32)
    return result


@lru_cache(maxsize=8)
def _camera_matrix(grid: int, pixel_size_um: float) -> F32:
    """Band-limited samples (P, grid) of a periodic signal, each integrated over its pixel; the middle is kept."""
    extent_um = GRID.extent_um
    size = patch_shape(pixel_size_um)[-1]
    at = extent_um / 2 + (np.arange(size) - (size - 1) / 2) * pixel_size_um
    order = np.arange(1, (grid + 1) // 2)
    lag = at[:, None] - np.arange(grid) * extent_um / grid
    wave = np.cos(2 * pi * order * lag[..., None] / extent_um)
    within = np.sinc(order * pixel_size_um / extent_um)
    matrix: F32 = ((1 + 2 * wave @ within) / grid).astype(np.float32)
    return matrix


@lru_cache(maxsize=8)
def _window(size: int, pixel_size_um: float) -> F32:
    """1 inside, falling smoothly to exactly 0 at the outermost pixel."""
    depth = np.minimum(np.arange(size), np.arange(size)[::-1]) * pixel_size_um / TAPER_UM
    line = np.clip(depth, 0, 1)
    line = line * line * (3 - 2 * line)
    result: F32 = np.outer(line, line).astype(np.float32)
    return result


@lru_cache(maxsize=8)
def _border(size: int) -> npt.NDArray[np.bool_]:
    mask = np.ones((size, size), bool)
    margin = max(1, size // 20)
    mask[margin:-margin, margin:-margin] = False
    return mask
