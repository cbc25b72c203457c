"""A camera: light becomes 12-bit counts with shading, unequal shots, slide roughness, shot and read noise.

Knows how an exposure is degraded; does not know cells. Noise values come from one tile of normal deviates made at
the start, read at a random place for every block of every shot: pixels of one block are independent, far blocks and
later frames may meet the same deviates again. It buys several times the speed and no model can use it.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.forward import Optics, weak_intensity
from phenostream.engine.optics.presets import RunRanges

F32 = npt.NDArray[np.float32]
U16 = npt.NDArray[np.uint16]
BLOCK_PX: Final = 512
"""Side of the blocks in which an exposure is computed."""
_ROUGH_PX: Final = BLOCK_PX // 2
"""Period of the slide's roughness."""
_ROUGH_UM: Final = 0.8
_HAZE_UM: Final = 3.0
"""Scales of the slide's roughness and of its haze, µm."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Level and faults of a simulated camera.

    Attributes:
        dark_level: Counts with the light off.
        white_level: Counts at saturation.
        background_counts: Counts of the empty field above dark.
        electrons_per_count: Shot noise is sqrt(counts / electrons_per_count).
        read_noise_counts: Noise sd in the dark.
        shading_sd: Relative sd of each shot's smooth shading over the field.
        gain_spread: Each shot's gain lies within 1 ± this.
        roughness_um: Sd of the slide's optical path, µm, with structure of about 1 µm.
    """

    dark_level: int = 30
    white_level: int = 4095
    background_counts: float = 1500.0
    electrons_per_count: float = 5.0
    read_noise_counts: float = 2.0
    shading_sd: float = 0.012
    gain_spread: float = 0.03
    roughness_um: float = 0.001


class SimulatedCamera:
    """One camera over one run: shading and gains are drawn once, noise for every frame.

    Attributes:
        settings: Level and faults of this run.
        base: (4, H, W) float32, counts above dark of the empty field; read only.
    """

    def __init__(
        self,
        settings: CameraSettings,
        shape: tuple[int, int],
        pixel_size_um: float,
        rng: np.random.Generator,
        ranges: RunRanges | None = None,
    ) -> None:
        """Draw the run.

        Args:
            settings: Level and faults, before the ranges.
            shape: Height and width of the field.
            pixel_size_um: At the sample.
            rng: Of the run.
            ranges: How runs and frames differ; None: by shading, gains, noise and slide alone.
        """
        self._ranges = ranges
        if ranges is not None:
            settings = _of_a_run(settings, ranges, rng)
        self.settings = settings
        gains = 1 + rng.uniform(-settings.gain_spread, settings.gain_spread, 4)
        level = (settings.background_counts * gains).astype(np.float32)
        self.base: F32 = np.stack(
            [g * _shading(shape, settings.shading_sd, rng) for g in level]
        ).astype(np.float32)
        self.base.setflags(write=False)
        self._noise = rng.standard_normal((2 * BLOCK_PX, 2 * BLOCK_PX), np.float32)
        self._roughness = _slide(settings.roughness_um, _ROUGH_UM, pixel_size_um, rng)
        self._haze = _slide(float(ranges is not None), _HAZE_UM, pixel_size_um, rng) - 1

    def expose(self, light: F32, rng: np.random.Generator) -> U16:
        """Counts (4, H, W) uint16 of light given in counts above dark (4, H, W)."""
        counts = np.empty(light.shape, np.uint16)
        slide = self._slide_of_a_frame(rng)
        height, width = light.shape[-2:]
        for top in range(0, height, BLOCK_PX):
            for left in range(0, width, BLOCK_PX):
                rows = slice(top, min(top + BLOCK_PX, height))
                columns = slice(left, min(left + BLOCK_PX, width))
                h, w = rows.stop - top, columns.stop - left
                for shot, (oy, ox) in enumerate(rng.integers(0, BLOCK_PX, (len(light), 2))):
                    noise = self._noise[oy : oy + h, ox : ox + w]
                    counts[shot, rows, columns] = self._count(
                        light[shot, rows, columns] * slide[shot, :h, :w], noise
                    )
        return counts

    def _slide_of_a_frame(self, rng: np.random.Generator) -> F32:
        """The slide at a random place; light is linear in so thin a path, so what it does is scaled and added."""
        shift = tuple(rng.integers(0, BLOCK_PX, 2))
        if self._ranges is None:
            return np.roll(self._roughness, shift, (-2, -1))
        rough, haze_um = rng.uniform(*self._ranges.roughness), rng.uniform(*self._ranges.haze_um)
        slide = 1 + np.float32(rough) * (self._roughness - 1) + np.float32(haze_um) * self._haze
        return np.roll(slide, shift, (-2, -1))

    def _count(self, mean: F32, noise: F32) -> F32:
        own = self.settings
        sd = mean * np.float32(1 / own.electrons_per_count)
        sd += np.float32(own.read_noise_counts**2)
        np.sqrt(sd, out=sd)
        sd *= noise
        mean += sd
        mean += np.float32(own.dark_level + 0.5)
        np.clip(mean, 0, own.white_level, out=mean)
        return mean


def _shading(shape: tuple[int, int], sd: float, rng: np.random.Generator) -> F32:
    """A smooth field about 1: Legendre polynomials up to the third order in each direction."""
    weights = rng.standard_normal((4, 4))
    weights[0, 0] = 0.0
    order = np.add.outer(np.arange(4), np.arange(4))
    weights *= (order <= 3) / (1.0 + order)
    coarse, rows, columns = (
        np.polynomial.legendre.legvander(np.linspace(-1, 1, n), 3) for n in (64, *shape)
    )
    weights *= sd / np.std(coarse @ weights @ coarse.T)
    bent = rows @ weights @ columns.T
    return (1 + bent).astype(np.float32)


def _of_a_run(
    settings: CameraSettings, ranges: RunRanges, rng: np.random.Generator
) -> CameraSettings:
    noise = rng.uniform(*ranges.noise)
    return replace(
        settings,
        shading_sd=settings.shading_sd * rng.uniform(*ranges.shading),
        gain_spread=settings.gain_spread * rng.uniform(*ranges.gain),
        electrons_per_count=settings.electrons_per_count / noise**2,
        read_noise_counts=settings.read_noise_counts * noise,
    )


def _slide(sd_um: float, scale_um: float, pixel_size_um: float, rng: np.random.Generator) -> F32:
    """What a random optical path does to the four shots, (4, BLOCK_PX, BLOCK_PX), mean 1, periodic."""
    if sd_um == 0.0:
        return np.ones((4, BLOCK_PX, BLOCK_PX), np.float32)
    freq = np.fft.fftfreq(_ROUGH_PX, pixel_size_um)
    radius2 = freq[:, None] ** 2 + freq[None] ** 2
    band = 1 / (1 + radius2 * (2 * np.pi * scale_um) ** 2)
    path = np.fft.ifft2(np.fft.fft2(rng.standard_normal((_ROUGH_PX, _ROUGH_PX))) * band).real
    optics = Optics()
    phase = (path / path.std() * sd_um * 2 * np.pi / optics.wavelength_um).astype(np.float32)
    return np.tile(weak_intensity(phase, None, pixel_size_um, optics), (1, 2, 2))
