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
from pathlib import Path
from typing import Final, Literal

import numpy as np
from tqdm import tqdm

from phenostream.engine.crop import cut_crops, leaves_frame, select
from phenostream.engine.detect import Detector
from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.presets import PRESETS, Preset
from phenostream.engine.optics.rendering import CODE_VERSION, BankSpec, CellBank, load_or_render
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings, SimulatedFrame
from phenostream.engine.reduce import Reducer, full_from_reduced
from phenostream.engine.types import CROP_PX, F32, REDUCED_PIXEL_UM, Bool, Detections, Reduced
from phenostream.trainer.data.cell_set import KINDS, CellSet, concatenate, load_cells, save_cells

logger = logging.getLogger(__name__)

PIXEL_UM: Final = 0.343
"""Camera pixel of training frames: twice as coarse as the product's, four times as quick."""
PRODUCT_PIXEL_UM: Final = 0.1715
MATCH_UM: Final = 2.0
"""A detection is the cell whose centre is nearer than this."""
NOTHING_UM: Final = 6.0
"""A detection with no centre nearer than this shows no cell; between the two it has no label and is left out."""
_FRAMES_PER_RUN: Final = 8
_DENSITIES: Final = (0.7, 1.0, 1.4)
_EMPTY_SHARE: Final = 0.05
_LABELLING_VERSION: Final = 1

Part = Literal["train", "select", "calibrate", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "select", "calibrate", "test")


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
        """Tests are made at the product's pixel, everything else at the cheaper one."""
        return PRODUCT_PIXEL_UM if self.part == "test" else PIXEL_UM

    @property
    def bank(self) -> BankSpec:
        """The objects; training sees more of the rare classes than the preset has."""
        spec = BankSpec(
            seed=self.seed * len(PARTS) + PARTS.index(self.part),
            n=self.objects,
            preset=self.preset,
            purpose="golden" if self.part == "test" else "train",
            pixel_size_um=self.pixel_um,
        )
        if self.part != "train":
            return spec
        return replace(spec, kind_mix=(0.70, 0.20, 0.10), white_mix=(0.34, 0.40, 0.26))

    @property
    def key(self) -> str:
        """Name of the result in a cache: every parameter, and the versions of the code that made it."""
        text = json.dumps([asdict(self), self.bank.key, CODE_VERSION, _LABELLING_VERSION])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    bank = load_or_render(cache, settings.bank)
    cells = collect(settings, bank)
    save_cells(cells, path)
    return cells


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


def label_frame(
    simulator: FrameSimulator, frame: SimulatedFrame, rng: np.random.Generator
) -> CellSet:
    """Crops of one frame as the daemon would cut them, with labels from the truth."""
    reduced = Reducer(simulator.camera, frame.counts.shape[1:]).reduce(frame.counts)
    found = Detector(reduced.shots.shape[1:]).detect(reduced)
    found = select(found, ~found.edge)
    kind, nearest = _labels(found, reduced, frame, simulator.settings.pixel_size_um)
    found, kind, nearest = select(found, kind >= 0), kind[kind >= 0], nearest[kind >= 0]
    empty = _empty_places(reduced, frame, rng, max(1, round(_EMPTY_SHARE * len(found))))
    crops, nothing = cut_crops(reduced, found), cut_crops(reduced, empty)
    kinds = np.concatenate([kind, np.full(len(empty), KINDS.index("empty"), np.int32)])
    markers = np.zeros((len(kinds), 4), np.float32)
    if len(found) and len(frame):
        markers[: len(found)] = frame.markers[nearest]
    mask = np.isfinite(markers) & (kinds < 3)[:, None]
    return CellSet(
        np.concatenate([crops.images, nothing.images]),
        np.concatenate([crops.background, nothing.background]),
        kinds,
        np.where(mask, markers, 0).astype(np.float32),
        mask,
        np.zeros(len(kinds), np.int32),
    )


def _frames(
    settings: PartSettings, bank: CellBank
) -> Iterator[tuple[FrameSimulator, SimulatedFrame]]:
    """Frames without end: a new camera every few frames, at several densities."""
    side = round(2048 * PRODUCT_PIXEL_UM / settings.pixel_um)
    scene = SceneSettings(side, side, settings.pixel_um, settings.preset, camera=_camera(settings))
    for run in range(10_000):
        crowd = 1.0 if settings.part == "test" else _DENSITIES[run % len(_DENSITIES)]
        dense = replace(scene, objects=round(scene.wanted * crowd))
        simulator = FrameSimulator(dense, bank, settings.seed * 10_000 + run)
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


def _labels(
    found: Detections, reduced: Reduced, frame: SimulatedFrame, pixel_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Kind (N,) int32 of each detection, -1 where it has none, and the row of the nearest true cell."""
    if not len(frame):
        return np.full(len(found), KINDS.index("empty"), np.int32), np.zeros(len(found), np.intp)
    y = full_from_reduced(found.y, reduced.factor)
    x = full_from_reduced(found.x, reduced.factor)
    apart = np.hypot(y[:, None] - frame.y_px, x[:, None] - frame.x_px) * pixel_um
    nearest = apart.argmin(axis=1)
    least = apart.min(axis=1)
    kind = frame.kind[nearest].astype(np.int32)
    rival = (apart < MATCH_UM + 1) & (frame.kind[None, :] != kind[:, None])
    kind[(least > MATCH_UM) | rival.any(axis=1)] = -1
    kind[least > NOTHING_UM] = KINDS.index("empty")
    return kind, nearest


def _empty_places(
    reduced: Reduced, frame: SimulatedFrame, rng: np.random.Generator, count: int
) -> Detections:
    """Random places whose middle shows no cell."""
    height, width = reduced.shots.shape[1:]
    y: F32 = rng.uniform(CROP_PX, height - CROP_PX, 20 * count).astype(np.float32)
    x: F32 = rng.uniform(CROP_PX, width - CROP_PX, 20 * count).astype(np.float32)
    free = ~leaves_frame(y, x, (height, width))
    if len(frame):
        full_y, full_x = full_from_reduced(y, reduced.factor), full_from_reduced(x, reduced.factor)
        apart = np.hypot(full_y[:, None] - frame.y_px, full_x[:, None] - frame.x_px)
        free &= (
            apart.min(axis=1) * REDUCED_PIXEL_UM / reduced.factor > CROP_PX / 2 * REDUCED_PIXEL_UM
        )
    chosen = np.flatnonzero(free)[:count]
    nothing = np.zeros(len(chosen), np.float32)
    edge: Bool = np.zeros(len(chosen), np.bool_)
    return Detections(y[chosen], x[chosen], nothing, nothing, edge)
