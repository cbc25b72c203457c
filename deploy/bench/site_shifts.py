"""Simulated sites that differ from the training in one way each, and their cells. Everything here is synthetic.

Some sites are other optics, and their objects are rendered anew; the others change the crops of the plain site. The
classes come evenly, so that any mix can be drawn from them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from phenostream.engine.crop import ring_background
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.rendering import BankSpec
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings
from phenostream.engine.types import CROP_PX, F32
from phenostream.trainer.data.cell_set import CellSet, concatenate
from phenostream.trainer.data.labels import label_frame
from phenostream.trainer.data.simulated import render

Change = Callable[[F32], F32]
"""Of images (N, 4, 28, 28), fractions of full scale."""

_PIXEL_UM: Final = 0.1715
_SIDE_PX: Final = 1024
"""Of a frame: small, so that there are enough of them for an interval."""
_EVEN: Final = (1 / 3, 1 / 3, 1 / 3)
_KINDS: Final = (0.75, 0.2, 0.05)


def _plain(images: F32) -> F32:
    return images


@dataclass(frozen=True, slots=True)
class SiteShift:
    """One site.

    Attributes:
        name: In words.
        optics: Of its microscope.
        far_um: How far its cells lie from the focal plane; None: as the preset has it.
        change: Of its crops.
    """

    name: str
    optics: Optics = field(default_factory=Optics)
    far_um: tuple[float, float] | None = None
    change: Change = _plain


def site_cells(site: SiteShift, seed: int, objects: int, crops: int, cache: Path) -> CellSet:
    """Labelled crops of a site, preset hard; no object is in the crops of another seed.

    Args:
        site: Which.
        seed: Of objects and frames; `phenostream train` uses none of them.
        objects: Distinct rendered objects.
        crops: At least so many.
        cache: Folder for rendered objects.
    """
    spec = BankSpec(
        seed=seed,
        n=objects,
        preset="hard",
        purpose="golden",
        pixel_size_um=_PIXEL_UM,
        kind_mix=_KINDS,
        white_mix=_EVEN,
        far_um=site.far_um,
        optics=site.optics,
    )
    bank = render(spec, cache, site.name)
    scene = SceneSettings(_SIDE_PX, _SIDE_PX, _PIXEL_UM, "hard")
    simulator = FrameSimulator(scene, bank, seed)
    rng, parts, found = np.random.default_rng(seed), list[CellSet](), 0
    while found < crops:
        parts.append(label_frame(simulator, simulator.frame(len(parts)), rng))
        found += len(parts[-1])
    return changed(concatenate(parts), site.change)


def changed(cells: CellSet, change: Change) -> CellSet:
    """The same cells with other pixels, and the background that those have."""
    images = change(cells.images).astype(np.float32)
    columns = {name: getattr(cells, name) for name in CellSet.__slots__}
    return CellSet(**{**columns, "images": images, "background": ring_background(images.copy())})


def contrast(factor: float) -> Change:
    """Cells shade the light so many times as much: another index of the medium, or a thicker chamber."""

    def change(images: F32) -> F32:
        level = ring_background(images.copy())[:, :, None, None]
        out: F32 = level + np.float32(factor) * (images - level)
        return out

    return change


def blur(sd_px: float) -> Change:
    """A worse objective: each shot blurred."""

    def change(images: F32) -> F32:
        border = cv2.BORDER_REPLICATE
        return np.stack(
            [[cv2.GaussianBlur(shot, (0, 0), sd_px, borderType=border) for shot in cell] for cell in images]
        )  # fmt: skip

    return change


def zoom(factor: float) -> Change:
    """A pixel size that is announced wrongly: cells look so many times as large."""
    middle = (CROP_PX - 1) / 2
    matrix = np.array(
        [[factor, 0, middle * (1 - factor)], [0, factor, middle * (1 - factor)]], np.float32
    )

    def change(images: F32) -> F32:
        return np.stack(
            [[_warped(shot, matrix) for shot in cell] for cell in images]
        )  # fmt: skip

    return change


def shading(slope: float) -> Change:
    """Light that falls off to one side within a crop, from 1 - slope to 1 + slope."""

    def change(images: F32) -> F32:
        return images * (1 + slope * np.linspace(-1, 1, CROP_PX, dtype=np.float32))

    return change


def noise(sd: float) -> Change:
    """A noisier camera: so much more, as a part of the background."""

    def change(images: F32) -> F32:
        rng = np.random.default_rng(5)
        level = ring_background(images.copy())[:, :, None, None]
        drawn = rng.standard_normal(images.shape).astype(np.float32)
        out: F32 = images + np.float32(sd) * level * drawn
        return out

    return change


def _warped(shot: F32, matrix: F32) -> F32:
    out: F32 = cv2.warpAffine(
        shot, matrix, (CROP_PX, CROP_PX), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    return out


SITES: Final[tuple[SiteShift, ...]] = (
    SiteShift("no shift"),
    SiteShift("contrast × 1.4", change=contrast(1.4)),
    SiteShift("contrast × 0.65", change=contrast(0.65)),
    SiteShift("blur of 0.8 px", change=blur(0.8)),
    SiteShift("pixel 8 % too small", change=zoom(1.08)),
    SiteShift("pixel 8 % too large", change=zoom(0.92)),
    SiteShift("shading of 5 % a crop", change=shading(0.05)),
    SiteShift("noise of 3 % more", change=noise(0.03)),
    SiteShift("NA 0.40", optics=Optics(na=0.40, na_inner=0.32, na_outer=0.40)),
    SiteShift("4 to 6 µm out of focus", far_um=(4.0, 6.0)),
)
