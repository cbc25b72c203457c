"""What large camera pixels cost: cells found, placed, classified and rejected, from fine pixels to too large ones.

The same simulated cells at every pixel (each sample integrated over its pixel), through the frame path and the model.
Shows why START takes pixels up to `LARGEST_PIXEL_UM`; larger ones are measured here and refused by the daemon.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.backends.protocol import Backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.crop import cut_crops, select
from phenostream.engine.detect import Detector
from phenostream.engine.errors import BadInput
from phenostream.engine.optics.cells import KINDS
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import BankSpec
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings, SimulatedFrame
from phenostream.engine.reduce import Reducer, full_from_reduced
from phenostream.engine.types import REDUCED_PIXEL_UM, Crops
from phenostream.trainer.data.bank_cache import load_or_render

PIXELS_UM: Final = (0.343, 0.686, 0.8, 0.9, 1.0, 1.2)
_MATCH_UM: Final = 3.0
_FIELD_PX: Final = 512
_RENDERED: Final = 160
_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class PixelRow:
    """One preset at one pixel.

    Attributes:
        cells: True white and red cells.
        recall: Share of them found within 3 µm.
        precision: Share of the found within 3 µm of any object.
        white: Found white cells that were classified.
        class_accuracy: Share of them in the right class and not rejected.
        red_rejected: Share of found red cells that the model rejects; None where it cannot.
    """

    preset: str
    pixel_size_um: float
    cells: int
    recall: float
    precision: float
    white: int
    class_accuracy: float
    red_rejected: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_pixels(
    bundle: Bundle,
    backend: Backend,
    cache: Path,
    frames: int = 8,
    on_frame: Callable[[], object] = lambda: None,
) -> list[PixelRow]:
    """Judge every pixel on both presets."""
    rows = []
    presets: tuple[Preset, ...] = ("easy", "hard")
    for preset in presets:
        for pixel_size_um in PIXELS_UM:
            spec = BankSpec(
                seed=11, n=_RENDERED, preset=preset, purpose="simulate", pixel_size_um=pixel_size_um
            )
            side = int(_FIELD_PX * REDUCED_PIXEL_UM / pixel_size_um)
            scene = SceneSettings(side, side, pixel_size_um, preset)
            simulator = FrameSimulator(scene, load_or_render(cache, spec, lambda: None), 3)
            judge = _Judge(bundle, backend, simulator)
            for seq in range(frames):
                judge.add(simulator.frame(seq))
                on_frame()
            rows.append(judge.row(preset, pixel_size_um))
    return rows


@dataclass(slots=True)
class _Sums:
    cells: int = 0
    near_found: int = 0
    found: int = 0
    near_true: int = 0
    white: int = 0
    right: int = 0
    red: int = 0
    rejected: int = 0


class _Judge:
    """Sums over the frames of one camera."""

    def __init__(self, bundle: Bundle, backend: Backend, simulator: FrameSimulator) -> None:
        self._threshold = bundle.manifest.calibration.reject_threshold
        self._backend = backend
        self._pixel_um = simulator.settings.pixel_size_um
        side = simulator.settings.height_px, simulator.settings.width_px
        kernel = bundle.manifest.reduction_kernel
        self._reducer = Reducer(
            simulator.camera, side, kernel=kernel, largest_pixel_um=max(PIXELS_UM)
        )
        self._detector = Detector(self._reducer.reduced_shape)
        self._sums = _Sums()

    def add(self, frame: SimulatedFrame) -> None:
        reduced = self._reducer.reduce(frame.counts)
        found = self._detector.detect(reduced)
        y, x = (full_from_reduced(at, reduced.factor) for at in (found.y, found.x))
        apart = np.hypot(y[:, None] - frame.y_px, x[:, None] - frame.x_px) * self._pixel_um
        counting = frame.kind != KINDS.index("debris")
        sums, nearest = self._sums, apart.min(axis=1, initial=np.inf)
        sums.cells += int(counting.sum())
        sums.near_found += int((apart.min(axis=0, initial=np.inf)[counting] < _MATCH_UM).sum())
        sums.found += len(found)
        sums.near_true += int((nearest < _MATCH_UM).sum())
        inside = ~found.edge & (nearest < _MATCH_UM)
        if inside.any():
            kind = frame.kind[apart[inside].argmin(axis=1)]
            self._classify(cut_crops(reduced, select(found, inside)), kind)

    def _classify(self, crops: Crops, kind: npt.NDArray[np.int8]) -> None:
        called, rejected = [], []
        for start in range(0, len(crops), _BATCH):
            part = slice(start, start + _BATCH)
            outputs = self._backend.infer(crops.images[part], crops.background[part])
            called.append(outputs.most_probable())
            limit = np.inf if self._threshold is None else self._threshold
            rejected.append(np.ravel(outputs.reject_probability) >= limit)
        calls, rejects = np.concatenate(called), np.concatenate(rejected)
        white, red = kind < KINDS.index("red"), kind == KINDS.index("red")
        self._sums.white += int(white.sum())
        self._sums.right += int(((calls == kind) & ~rejects & white).sum())
        self._sums.red += int(red.sum())
        self._sums.rejected += int((rejects & red).sum())

    def row(self, preset: Preset, pixel_size_um: float) -> PixelRow:
        sums = self._sums
        if not (sums.cells and sums.found and sums.white and sums.red):
            raise BadInput(f"pixels: {sums.cells} cells, {sums.found} found: too few to judge")
        known = self._threshold is not None
        return PixelRow(
            preset,
            pixel_size_um,
            sums.cells,
            sums.near_found / sums.cells,
            sums.near_true / sums.found,
            sums.white,
            sums.right / sums.white,
            sums.rejected / sums.red if known else None,
        )
