"""Simulated cells as figures: one shot, 128 pixels of 0.2 µm, stretched and resampled as the published ones were.

Knows the simulator's bank and camera, and how the real figures came to be; does not know what is measured on them.
Everything it makes is synthetic.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.camera import CameraSettings, SimulatedCamera
from phenostream.engine.optics.cells import KINDS
from phenostream.engine.optics.presets import RANGES, Preset
from phenostream.engine.optics.rendering import BankSpec, render_bank
from phenostream.engine.types import CLASSES, SHOTS
from phenostream.trainer.likeness.statistics import PIXEL_UM, SIDE_PX

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_FIELD_PX: Final = 1756
"""Side of the camera's frame at 0.2 µm: a picture sees that part of the frame's smooth shading."""
_NEAREST_PX: Final = (98, 99)
_HANNING_PX: Final = 224
"""Sizes at which the notebooks drew their pictures: small ones by the nearest pixel, large ones smoothly."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """A pool of simulated figures.

    Attributes:
        preset: Of the simulator.
        seed: Of everything.
        kinds: Number of cells of each kind, by its name in `cells.KINDS`; pairs and ghosts come as the preset has them.
        smooth_share: Share of pictures that are drawn large and smoothly, from the left shot; the rest, small and by
            the nearest pixel, from the right one.
    """

    preset: Preset
    seed: int
    kinds: tuple[tuple[str, int], ...]
    smooth_share: float

    @property
    def bank(self) -> BankSpec:
        """The objects of the pool, of purpose `golden`: none of them teaches a model."""
        count = dict(self.kinds)
        white = [count.get(name, 0) for name in CLASSES]
        total = sum(count.values())
        mix = sum(white) / total, count.get("red", 0) / total, count.get("debris", 0) / total
        shares = tuple(n / max(sum(white), 1) for n in white)
        return BankSpec(
            seed=self.seed,
            n=total,
            preset=self.preset,
            purpose="golden",
            pixel_size_um=PIXEL_UM,
            kind_mix=mix,
            white_mix=(shares[0], shares[1], shares[2]),
        )


def simulate_figures(
    settings: PoolSettings, on_object: Callable[[], object] = lambda: None
) -> tuple[list[U8], list[str]]:
    """The pictures, all as DPC_Left shows them, and the kind of each; a camera of its own for every one."""
    bank = render_bank(settings.bank, on_object)
    pictures = []
    for index, patch in enumerate(bank.patches):
        rng = np.random.default_rng([settings.seed, index])
        smooth = bool(rng.random() < settings.smooth_share)
        pictures.append(picture_of(patch, settings.preset, rng, smooth))
    return pictures, [KINDS[kind] for kind in bank.object_kind]


def picture_of(patch: F32, preset: Preset, rng: np.random.Generator, smooth: bool) -> U8:
    """One object's light (4, P, P) at 0.2 µm as a figure (128, 128), by a camera of its own.

    Args:
        patch: As `render_object` gives it, P at least 128.
        preset: Of the camera and the slide.
        rng: Of both.
        smooth: Drawn large and smoothly, from the left shot; else small and by the nearest pixel, from the right one.
    """
    low = (patch.shape[-1] - SIDE_PX) // 2
    middle = slice(low, low + SIDE_PX)
    camera = _camera(preset, rng)
    return _as_published(camera.expose(camera.base * patch[:, middle, middle], rng), smooth)


def _camera(preset: Preset, rng: np.random.Generator) -> SimulatedCamera:
    settings = CameraSettings()
    settings = replace(settings, shading_sd=settings.shading_sd * SIDE_PX / _FIELD_PX)
    return SimulatedCamera(settings, (SIDE_PX, SIDE_PX), PIXEL_UM, rng, RANGES[preset].run)


def _as_published(counts: npt.NDArray[np.uint16], smooth: bool) -> U8:
    """One shot stretched to 8 bit, drawn at the notebook's size, and read back at 128 px."""
    shot = counts[SHOTS.index("left")] if smooth else counts[SHOTS.index("right")][:, ::-1]
    plane = shot.astype(np.float32)
    span = float(np.ptp(plane)) or 1.0
    stretched = ((plane - plane.min()) / span * 255).astype(np.uint8)
    if smooth:
        size = (_HANNING_PX, _HANNING_PX)
        drawn = cv2.resize(stretched, size, interpolation=cv2.INTER_CUBIC)
        back = cv2.resize(drawn, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    else:
        drawn = cv2.resize(stretched, _NEAREST_PX[::-1], interpolation=cv2.INTER_NEAREST)
        back = cv2.resize(drawn, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(back, np.uint8)
