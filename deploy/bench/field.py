"""How well shading and dust are divided out: by each frame's own surface, a run's first frames, or a recorded field.

Simulated frames whose shading is known and whose dust lies on the same camera pixels in all of them. What a method
makes of a frame is compared with the same frame divided by the true shading and dust, so that noise does not count.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.background import Background, BackgroundStack, of_cells, of_empty_field
from phenostream.engine.crop import cut_crops
from phenostream.engine.detect import Detector
from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.rendering import BankSpec
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import F32, Frame, ReductionKernel
from phenostream.trainer.data.bank_cache import load_or_render

METHODS: Final = ("none", "frame", "stream", "recorded")
_SPECKS: Final = 60
_TRUE_DUST: Final = 0.01


@dataclass(frozen=True, slots=True)
class FieldCase:
    """What to simulate.

    Attributes:
        shading_sd: Relative sd of each shot's shading over the field.
        cells: Objects in a frame.
        size_px: Side of the frame.
        pixel_size_um: Camera pixel.
        gathered: Frames a background is made of.
        judged: Frames that are judged.
        kernel: How they are reduced.
        rendered: Distinct objects to draw from.
    """

    shading_sd: float
    cells: int
    size_px: int = 2048
    pixel_size_um: float = 0.1715
    gathered: int = 16
    judged: int = 4
    kernel: ReductionKernel = "area"
    rendered: int = 200


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One method on one case; all shares in percent, worst shot.

    Attributes:
        shading_pp: Peak to peak of the true shading without dust, over its mean.
        field_error: Rms departure of the divided frame from the true one, pixels without dust.
        contrast_error: Rms departure of crop / background - 1, all crops.
        dust_error: Rms departure on dust.
        found: Cells found a frame.
        invented: Of these, found a frame where the true field shows none within 4 reduced pixels.
        ms: CPU time of the division, of one frame.
    """

    case: FieldCase
    method: str
    shading_pp: float
    field_error: float
    contrast_error: float
    dust_error: float
    found: float
    invented: float
    ms: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_field(
    case: FieldCase, cache: Path, on_frame: Callable[[], object] = lambda: None
) -> list[FieldRow]:
    """Judge every method on one case."""
    cv2.setNumThreads(1)
    spec = BankSpec(
        seed=0, n=case.rendered, preset="hard", purpose="simulate", pixel_size_um=case.pixel_size_um
    )
    bank = load_or_render(cache, spec, lambda: None)
    scene = FrameSimulator(_scene(case, case.cells), bank, 0)
    empty = FrameSimulator(_scene(case, 0), bank, 0)
    dust = dust_map(case.size_px)
    reducer = Reducer(scene.camera, (case.size_px, case.size_px), kernel=case.kernel)
    true = _truth(reducer, scene, dust)
    backgrounds = {
        "frame": None,
        "stream": of_cells(_median(reducer, scene, dust, case, on_frame)),
        "recorded": of_empty_field(_median(reducer, empty, dust, case, on_frame)),
    }
    judges = {name: _Judge(reducer, true, given) for name, given in backgrounds.items()}
    judges["none"] = _Judge(reducer, true, Background(np.ones_like(true.relative)))
    for seq in range(case.gathered, case.gathered + case.judged):
        light = reducer.light(_dusty(scene.frame(seq).counts, dust, scene))
        for judge in judges.values():
            judge.add(light)
        on_frame()
    clear = _truth(reducer, scene, np.ones_like(dust))
    spread = 100 * float(np.ptp(clear.relative, axis=(1, 2)).max())
    return [judges[name].row(case, name, spread) for name in METHODS]


def dust_map(size_px: int, seed: int = 5) -> F32:
    """(H, W) float32 transmission: specks of 2 to 12 camera pixels that take 3 to 25 % of the light."""
    rng = np.random.default_rng(seed)
    result = np.ones((size_px, size_px), np.float32)
    count = max(1, round(_SPECKS * (size_px / 2048) ** 2))
    for y, x, radius, depth in zip(
        rng.uniform(0, size_px, count),
        rng.uniform(0, size_px, count),
        rng.uniform(2, 12, count),
        rng.uniform(0.03, 0.25, count),
        strict=True,
    ):
        top, left = max(0, int(y - 40)), max(0, int(x - 40))
        rows, columns = np.ogrid[top : min(size_px, top + 80), left : min(size_px, left + 80)]
        away = np.hypot(rows - y, columns - x) / radius
        result[top : top + 80, left : left + 80] *= 1 - depth * np.exp(-(away**4))
    return result


def _scene(case: FieldCase, cells: int) -> SceneSettings:
    return SceneSettings(
        case.size_px,
        case.size_px,
        case.pixel_size_um,
        "hard",
        cells,
        CameraSettings(shading_sd=case.shading_sd),
    )


def _dusty(counts: Frame, dust: F32, scene: FrameSimulator) -> Frame:
    """The counts with the dust in the light's way, its noise as it was."""
    dark = np.float32(scene.camera.dark_level)
    lit = (counts - dark) * dust + (dark + np.float32(0.5))
    return np.asarray(lit, np.uint16)


def _truth(reducer: Reducer, scene: FrameSimulator, dust: F32) -> Background:
    """The true field, at 16 times the counts: rounding does not count."""
    span = scene.camera.white_level - scene.camera.dark_level
    counts = scene.empty_field * dust * np.float32(16.0) + np.float32(scene.camera.dark_level + 0.5)
    light = reducer.light(np.asarray(counts, np.uint16)) / np.float32(16)
    return of_empty_field(light * np.float32(span / 1000.0))


def _median(
    reducer: Reducer,
    scene: FrameSimulator,
    dust: F32,
    case: FieldCase,
    on_frame: Callable[[], object],
) -> F32:
    stack = BackgroundStack((4, *reducer.reduced_shape), case.gathered)
    for seq in range(case.gathered):
        stack.add(reducer.light(_dusty(scene.frame(seq).counts, dust, scene)))
        on_frame()
    return stack.median()


class _Judge:
    """Sums over frames for one method."""

    def __init__(self, reducer: Reducer, true: Background, given: Background | None) -> None:
        self._reducer, self._true, self._given = reducer, true, given
        self._detector = Detector(reducer.reduced_shape)
        smooth = np.stack([cv2.medianBlur(shot, 5) for shot in true.relative])
        dusty = (np.abs(true.relative / smooth - 1) > _TRUE_DUST).any(axis=0)
        self._dusty = cv2.dilate(dusty.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        self._sums: list[tuple[float, ...]] = []

    def add(self, light: F32) -> None:
        ideal = self._reducer.flatten(light.copy(), self._true)
        mine = light.copy()
        began_s = time.thread_time()
        got = self._reducer.flatten(mine, self._given)
        took_s = time.thread_time() - began_s
        departure = got.shots / ideal.shots
        departure /= np.median(departure, axis=(1, 2), keepdims=True)
        departure -= 1
        truth = self._detector.detect(ideal)
        found = self._detector.detect(got)
        apart = np.hypot(found.y[:, None] - truth.y, found.x[:, None] - truth.x)
        invented = int((apart.min(axis=1, initial=np.inf) > 4).sum()) if len(found) else 0
        crops, mine_too = cut_crops(ideal, truth), cut_crops(got, truth)
        contrast = [one.images / one.background[..., None, None] for one in (crops, mine_too)]
        self._sums.append(
            (
                _rms(departure[:, ~self._dusty]),
                _rms(np.moveaxis(contrast[1] - contrast[0], 1, 0)),
                _rms(departure[:, self._dusty]),
                len(found),
                invented,
                1e3 * took_s,
            )
        )

    def row(self, case: FieldCase, method: str, spread: float) -> FieldRow:
        field, contrast, dust, found, invented, ms = np.mean(self._sums, axis=0)
        return FieldRow(case, method, spread, field, contrast, dust, found, invented, ms)


def _rms(departure: npt.NDArray[Any]) -> float:
    """Percent, of the worst shot; first axis = shot."""
    flat = departure.reshape(len(departure), -1).astype(np.float64)
    return float(100 * np.sqrt(np.square(flat).mean(axis=1)).max())


def cases(*, quick: bool) -> Iterator[FieldCase]:
    """The standing set: shading of about ±4 and ±15 %, sparse and dense."""
    for shading_sd in (0.012, 0.045):
        for cells in (200, 800):
            if quick:
                yield FieldCase(shading_sd, cells // 16, size_px=512, judged=1)
            else:
                yield FieldCase(shading_sd, cells)
