"""Full simulated frames with ground truth: cells of a bank scattered over a field and exposed by a camera.

Knows placement, pasting and truth; does not know how cells or counts are made. Frame `seq` of a simulator depends on
nothing but the settings, the bank and the seed: any order of calls gives the same bytes. Where patches overlap their
ratios multiply, which is right for the background and only an approximation between cells that touch (pairs in the
bank are drawn in one object and are exact, and only they touch).
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics import symmetry
from phenostream.engine.optics.camera import CameraSettings, SimulatedCamera
from phenostream.engine.optics.placement import Field, Spacing
from phenostream.engine.optics.presets import PRESETS, RANGES, Preset
from phenostream.engine.optics.rendering import CellBank, seed_sequence
from phenostream.engine.types import CLASSES, CROP_PX, REDUCED_PIXEL_UM, Camera

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I64 = npt.NDArray[np.int64]

EASY_SPACING_UM: Final = 14.0
"""Least distance between any two centres of the easy preset, debris included."""
HALF_CROP_UM: Final = CROP_PX / 2 * REDUCED_PIXEL_UM
TOUCHING_UM: Final = 1.0
"""Cells whose outlines are nearer than this count as touching."""
_ANY_FOCUS: Final = 0.05
"""Weight of an object however far it is from the frame's plane, beside 1 of one that lies in it."""
_EASY_GAP_UM: Final = 1.5
_EASY_MARGIN_UM: Final = HALF_CROP_UM + 2 * REDUCED_PIXEL_UM


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """The field and its crowding.

    Attributes:
        height_px: Frame height, camera pixels.
        width_px: Frame width.
        pixel_size_um: Camera pixel at the sample; must be the bank's.
        preset: `easy` keeps centres 14 µm apart and cells inside the frame; `hard` lets cells be cut, and pairs touch.
        objects: Objects in a frame; None takes 1621 per mm² (200 in 2048² pixels of 0.1715 µm).
        camera: Level and faults of the camera.
    """

    height_px: int = 2048
    width_px: int = 2048
    pixel_size_um: float = 0.1715
    preset: Preset = "hard"
    objects: int | None = None
    camera: CameraSettings = field(default_factory=CameraSettings)

    def __post_init__(self) -> None:
        if min(self.height_px, self.width_px) * self.pixel_size_um < 2.5 * _EASY_MARGIN_UM:
            raise BadConfig(
                f"frame {self.height_px} x {self.width_px} at {self.pixel_size_um} um: need a side "
                f">= {2.5 * _EASY_MARGIN_UM:.0f} um"
            )
        if self.preset not in PRESETS:
            raise BadConfig(f"preset {self.preset!r}: need one of {', '.join(PRESETS)}")
        if self.objects is not None and self.objects < 0:
            raise BadConfig(f"objects {self.objects}: need >= 0")

    @property
    def wanted(self) -> int:
        """Objects to place in a frame; fewer where the spacing leaves no room."""
        if self.objects is not None:
            return self.objects
        area_um2 = self.height_px * self.width_px * self.pixel_size_um**2
        return round(200 * area_um2 / (2048 * 0.1715) ** 2)


@dataclass(frozen=True, slots=True)
class SimulatedFrame:
    """Counts and truth; M cells in order of (y, x). Everything about it is synthetic.

    Attributes:
        seq: Number of the frame in its run.
        counts: (4, H, W) uint16, shots in `SHOTS` order.
        y_px: (M,) float32, full-resolution pixels, 0 = centre of the first pixel, down.
        x_px: (M,) float32, to the right.
        kind: (M,) int8, index in `cells.KINDS`.
        gate: (M,) int8, likewise, what the gates call the cell: the label that a training set would have.
        class_index: (M,) int8, index in `CLASSES`; -1 for red cells and debris.
        markers: (M, 4) float32, log10, NaN where the cell is not white.
        truth: (M, 2) float32, ln(diameter² / µm²) in suspension and maturity; NaN where there is none.
        diameter_um: (M,) float32, of the settled outline.
        touching: (M,) bool, another cell's outline is within 1 µm.
        edge: (M,) bool, the cell's 28-pixel crop would leave the frame.
    """

    seq: int
    counts: npt.NDArray[np.uint16]
    y_px: F32
    x_px: F32
    kind: I8
    gate: I8
    class_index: I8
    markers: F32
    truth: F32
    diameter_um: F32
    touching: npt.NDArray[np.bool_]
    edge: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.y_px)


class FrameSimulator:
    """Frames of one simulated run; holds one field of float32, and makes each frame anew."""

    def __init__(self, settings: SceneSettings, bank: CellBank, seed: int) -> None:
        """Draw the run's shading, gains and noise.

        Raises:
            BadConfig: Bank and settings disagree on the pixel or the preset.
        """
        if bank.spec.pixel_size_um != settings.pixel_size_um:
            raise BadConfig(
                f"bank of pixel {bank.spec.pixel_size_um} um: need {settings.pixel_size_um} um"
            )
        if bank.spec.preset != settings.preset:
            raise BadConfig(f"bank of preset {bank.spec.preset}: need {settings.preset}")
        self.settings = settings
        self._bank = bank
        self._seed = seed
        self._first_cell = np.searchsorted(bank.cell_object, np.arange(len(bank) + 1))
        shape = settings.height_px, settings.width_px
        self._run = RANGES[settings.preset].run
        self._camera = SimulatedCamera(
            settings.camera, shape, settings.pixel_size_um, self._rng(2), self._run
        )

    @property
    def camera(self) -> Camera:
        """What this microscope announces at START."""
        own = self.settings.camera
        return Camera(
            self.settings.pixel_size_um, float(own.dark_level), float(own.white_level), "u16"
        )

    @property
    def empty_field(self) -> F32:
        """(4, H, W) float32, read only: counts above dark of the field without cells and noise."""
        return self._camera.base

    def frame(self, seq: int) -> SimulatedFrame:
        """Frame number `seq` with its truth."""
        rng = self._rng(3, seq)
        bank, pixel = self._bank, self.settings.pixel_size_um
        which = self._objects(rng)
        elements = rng.integers(0, symmetry.ELEMENTS, len(which))
        light = self._camera.base.copy()
        corners, kept = self._place(which, elements, rng)
        which, elements = which[kept], elements[kept]
        for (top, left), index, element in zip(corners, which, elements, strict=True):
            _paste(light, symmetry.apply(np, bank.patches[index], int(element)), top, left)
        counts = self._camera.expose(light, rng)
        rows, owner = self._cells_of(which)
        off_y, off_x = _moved(bank.y_um[rows], bank.x_um[rows], elements[owner])
        middle = (bank.patches.shape[-1] - 1) / 2
        y_px = (corners[owner, 0] + middle + off_y / pixel).astype(np.float32)
        x_px = (corners[owner, 1] + middle + off_x / pixel).astype(np.float32)
        return self._with_truth(seq, counts, rows, y_px, x_px)

    def _rng(self, *path: int) -> np.random.Generator:
        return np.random.default_rng(seed_sequence(self._bank.spec.purpose, self._seed, *path))

    def _objects(self, rng: np.random.Generator) -> I64:
        """Rows of the objects of a frame; where focus differs from frame to frame, those about one plane."""
        wanted, bank = self.settings.wanted, self._bank
        if self._run is None:
            return rng.integers(0, len(bank), wanted)
        plane_um = rng.uniform(bank.defocus_um.min(), bank.defocus_um.max())
        far = (bank.defocus_um - plane_um) / rng.uniform(*self._run.focus_sd_um)
        share = np.exp(-0.5 * far.astype(np.float64) ** 2) + _ANY_FOCUS
        return rng.choice(len(bank), wanted, p=share / share.sum())

    def _cells_of(self, which: I64) -> tuple[I64, I64]:
        """Rows of the bank's cells for each pasted object, and the object each row belongs to."""
        first, count = (
            self._first_cell[which],
            self._first_cell[which + 1] - self._first_cell[which],
        )
        owner = np.repeat(np.arange(len(which)), count)
        start = np.repeat(np.cumsum(count) - count, count)
        return first[owner] + np.arange(len(owner)) - start, owner

    def _place(self, which: I64, elements: I64, rng: np.random.Generator) -> tuple[I64, list[int]]:
        """Top left corners (K, 2) of the patches, and which of the objects found room."""
        own, bank = self.settings, self._bank
        easy = own.preset == "easy"
        spacing = Spacing(
            shape=(own.height_px, own.width_px),
            pixel_um=own.pixel_size_um,
            margin_px=_EASY_MARGIN_UM / own.pixel_size_um if easy else 0.0,
            centres_um=EASY_SPACING_UM if easy else 0.0,
            gap_um=_EASY_GAP_UM if easy else TOUCHING_UM,
        )
        field_of_view = Field(spacing, 2 * len(which))
        middle = (bank.patches.shape[-1] - 1) / 2
        corners, kept = [], []
        for order, (index, element) in enumerate(zip(which, elements, strict=True)):
            rows = slice(self._first_cell[index], self._first_cell[index + 1])
            off = np.stack(symmetry.move(int(element), bank.y_um[rows], bank.x_um[rows]), axis=1)
            corner = field_of_view.put(off, bank.diameter_um[rows], middle, rng)
            if corner is not None:
                corners.append(corner)
                kept.append(order)
        return np.array(corners, np.int64).reshape(-1, 2), kept

    def _with_truth(
        self,
        seq: int,
        counts: npt.NDArray[np.uint16],
        rows: I64,
        y_px: F32,
        x_px: F32,
    ) -> SimulatedFrame:
        own, bank = self.settings, self._bank
        inside = (
            (y_px > -0.5)
            & (x_px > -0.5)
            & (y_px < own.height_px - 0.5)
            & (x_px < own.width_px - 0.5)
        )
        order = np.lexsort((x_px, y_px))
        order = order[inside[order]]
        rows, y_px, x_px = rows[order], y_px[order], x_px[order]
        kind, wide = bank.kind[rows], bank.diameter_um[rows]
        half = HALF_CROP_UM / own.pixel_size_um
        edge = (y_px + 0.5 < half) | (x_px + 0.5 < half)
        edge |= (own.height_px - 0.5 - y_px < half) | (own.width_px - 0.5 - x_px < half)
        gap = np.hypot(y_px[:, None] - y_px, x_px[:, None] - x_px) * own.pixel_size_um
        gap -= (wide[:, None] + wide) / 2
        np.fill_diagonal(gap, np.inf)
        return SimulatedFrame(
            seq=seq,
            counts=counts,
            y_px=y_px,
            x_px=x_px,
            kind=kind,
            gate=bank.gate[rows],
            class_index=np.where(kind < len(CLASSES), kind, -1).astype(np.int8),
            markers=bank.markers[rows],
            truth=bank.truth[rows],
            diameter_um=wide,
            touching=(gap < TOUCHING_UM).any(axis=1),
            edge=edge,
        )


def _paste(light: F32, patch: F32, top: int, left: int) -> None:
    """Multiply a patch into the field, cut at the frame's borders."""
    height, width = light.shape[-2:]
    size = patch.shape[-1]
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + size, height), min(left + size, width)
    if y0 < y1 and x0 < x1:
        light[:, y0:y1, x0:x1] *= patch[:, y0 - top : y1 - top, x0 - left : x1 - left]


def _moved(y_um: F32, x_um: F32, elements: I64) -> tuple[F64, F64]:
    moved_y, moved_x = np.zeros(len(y_um)), np.zeros(len(x_um))
    for element in range(symmetry.ELEMENTS):
        of = elements == element
        moved_y[of], moved_x[of] = symmetry.move(element, y_um[of], x_um[of])
    return moved_y, moved_x
