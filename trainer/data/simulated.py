"""Training data made the product's own way: simulated frames through the daemon's reduce, detect and crop.

A crop is what the daemon would have cut, neighbours, noise, off-centre detections and all; its label is the truth of
the nearest simulated cell. Nothing here is evidence about blood: everything made from it says "synthetic". Objects and
noise are drawn under the purposes `train` and `golden`, which `simulate` never uses.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from tqdm import tqdm

from phenostream.engine import crop, detect, flatfield, outline, reduce
from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics import camera, scene
from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.presets import PRESETS, Preset
from phenostream.engine.optics.rendering import BankSpec, CellBank
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings, SimulatedFrame
from phenostream.trainer.data import labels
from phenostream.trainer.data.bank_cache import load_or_render
from phenostream.trainer.data.cell_set import CellSet, concatenate, load_cells, save_cells
from phenostream.trainer.data.labels import label_frame

logger = logging.getLogger(__name__)

PIXEL_UM: Final = 0.343
"""Camera pixel of training frames: twice as coarse as the product's, four times as quick."""
PRODUCT_PIXEL_UM: Final = 0.1715
_FRAMES_PER_RUN: Final = 8
_DENSITIES: Final = (0.7, 1.0, 1.4)
_CODE: Final = (camera, scene, flatfield, reduce, outline, detect, crop, labels)
"""Modules that decide what a crop holds, beside this one."""

Part = Literal["train", "select", "calibrate", "test", "far"]
PARTS: Final[tuple[Part, ...]] = ("train", "select", "calibrate", "test", "far")
FAR_UM: Final = (4.0, 8.0)
"""Distances from the focal plane that no preset has: the part `far`, white cells that are to look foreign."""
_AT_PRODUCT_PIXEL: Final = ("calibrate", "test", "far")
_GOLDEN: Final = ("test", "far")


@dataclass(frozen=True, slots=True)
class PartSettings:
    """One part of the data for one preset.

    Attributes:
        part: Its use; no two parts share an object or a frame.
        preset: Of the simulator.
        seed: Of everything in it.
        objects: Distinct rendered objects, 50 to 100,000.
        crops: Crops to collect, at least.
    """

    part: Part
    preset: Preset
    seed: int
    objects: int
    crops: int

    def __post_init__(self) -> None:
        for key, value, low, high in (
            ("seed", self.seed, 0, 2**31),
            ("objects", self.objects, 50, 100_000),
            ("crops", self.crops, 50, 1_000_000),
        ):
            if not low <= value <= high:
                raise BadConfig(f"{key}: {value} is out of range, allowed {low} to {high}")
        if self.preset not in PRESETS or self.part not in PARTS:
            raise BadConfig(f"part {self.part!r}, preset {self.preset!r}: not known")

    @property
    def pixel_um(self) -> float:
        """What calibrates or tests is made at the product's pixel, what teaches or selects at the cheaper one."""
        return PRODUCT_PIXEL_UM if self.part in _AT_PRODUCT_PIXEL else PIXEL_UM

    @property
    def bank(self) -> BankSpec:
        """The objects; training sees more of the rare classes than the preset has."""
        spec = BankSpec(
            seed=self.seed * len(PARTS) + PARTS.index(self.part),
            n=self.objects,
            preset=self.preset,
            purpose="golden" if self.part in _GOLDEN else "train",
            pixel_size_um=self.pixel_um,
        )
        if self.part == "far":
            return replace(spec, kind_mix=(1.0, 0.0, 0.0), far_um=FAR_UM)
        if self.part != "train":
            return spec
        return replace(spec, kind_mix=(0.70, 0.20, 0.10), white_mix=(0.34, 0.40, 0.26))

    @property
    def key(self) -> str:
        """Name of the result in a cache: every parameter, and the code that exposes, cuts and labels."""
        text = json.dumps([asdict(self), self.bank.key, _code_digest()])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Changes with any of those files, so that a cache never outlives the code that made it."""
    files = [Path(str(module.__file__)) for module in _CODE] + [Path(__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def make_cells(settings: PartSettings, cache: Path) -> CellSet:
    """The labelled crops of one part, from the cache or made and put there.

    Args:
        settings: What to make.
        cache: Folder for rendered objects and finished parts.

    Raises:
        BadConfig: The settings do not fit the simulator.
    """
    path = cache / f"{settings.part}-{settings.preset}-{settings.key}.npz"
    if path.exists():
        try:
            return load_cells(path)
        except BadInput as err:
            logger.warning("%s; made again", err)
    bank = render(settings.bank, cache, f"{settings.part} {settings.preset}")
    cells = collect(settings, bank)
    save_cells(cells, path)
    return cells


def render(spec: BankSpec, cache: Path, title: str) -> CellBank:
    """The objects of a spec, from the cache or rendered by torch, with a progress bar."""
    with tqdm(total=spec.n, desc=f"{title}: objects", unit="object", disable=None) as bar:
        return load_or_render(cache, spec, bar.update, torch)


def collect(settings: PartSettings, bank: CellBank) -> CellSet:
    """Expose frames until there are enough labelled crops."""
    parts: list[CellSet] = []
    rng = np.random.default_rng([settings.seed, PARTS.index(settings.part), 77])
    total = 0
    label = f"{settings.part} {settings.preset}: crops"
    with tqdm(total=settings.crops, desc=label, unit="crop", disable=None) as bar:
        for simulator, frame in _frames(settings, bank):
            part = label_frame(simulator, frame, rng)
            if not len(part):
                continue
            parts.append(part)
            total += len(part)
            bar.update(len(part))
            if total >= settings.crops:
                break
    return concatenate(parts)


def _frames(
    settings: PartSettings, bank: CellBank
) -> Iterator[tuple[FrameSimulator, SimulatedFrame]]:
    """Frames without end: a new camera every few frames, at several densities."""
    side = round(2048 * PRODUCT_PIXEL_UM / settings.pixel_um)
    field = SceneSettings(side, side, settings.pixel_um, settings.preset, camera=_camera(settings))
    for run in range(10_000):
        crowd = 1.0 if settings.part in _GOLDEN else _DENSITIES[run % len(_DENSITIES)]
        dense = replace(field, objects=round(field.wanted * crowd))
        simulator = FrameSimulator(dense, bank, bank.spec.seed * 10_000 + run)
        for seq in range(_FRAMES_PER_RUN):
            yield simulator, simulator.frame(seq)


def _camera(settings: PartSettings) -> CameraSettings:
    """A coarse pixel gathers more light: the same noise per µm² as the product's camera."""
    gathered = (settings.pixel_um / PRODUCT_PIXEL_UM) ** 2
    own = CameraSettings()
    return replace(
        own,
        electrons_per_count=own.electrons_per_count * gathered,
        read_noise_counts=own.read_noise_counts / gathered**0.5,
    )
