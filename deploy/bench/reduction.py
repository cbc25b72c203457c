"""Times the ways of reducing a frame beside reading its bytes once: kernels, and what its shading is divided by.

CPU milliseconds of this thread, medians of interleaved rounds on the same simulated frames.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

import cv2
import numpy as np

from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope
from phenostream.engine.background import BackgroundStack, of_cells, of_empty_field
from phenostream.engine.crop import cut_crops
from phenostream.engine.detect import Detector
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import F32, Camera, Frame, ReductionKernel

PIXELS_UM: Final = (0.1715, 0.2)
_ROUNDS: Final = 15
_GATHERED: Final = 16
_RENDERED: Final = 200


@dataclass(frozen=True, slots=True)
class ReductionRow:
    """Medians over the rounds, CPU milliseconds a frame.

    Attributes:
        read_ms: Reading every byte once.
        light_ms: Counts to reduced light.
        own_ms: Dividing by the frame's own surface, with all checks.
        given_ms: Dividing by a given background, with all checks.
        rest_ms: Detection and crops.
        total_to_read: light, own surface, detection and crops over reading, median of the rounds' ratios.
        total_given_to_read: The same with a given background.
        freeze_ms: Making a run's field of 16 frames, once a run.
    """

    size_px: int
    pixel_size_um: float
    kernel: ReductionKernel
    cells: int
    read_ms: float
    light_ms: float
    own_ms: float
    given_ms: float
    rest_ms: float
    total_to_read: float
    total_given_to_read: float
    freeze_ms: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_reduction(
    cache: Path,
    size_px: int = 2048,
    cells: int = 200,
    on_round: Callable[[], object] = lambda: None,
) -> list[ReductionRow]:
    """Time every kernel at an exact and at another factor."""
    cv2.setNumThreads(1)
    rows = []
    for pixel_size_um in PIXELS_UM:
        settings = MicroscopeSettings(
            size_px=size_px, pixel_size_um=pixel_size_um, cells=cells, rendered=_RENDERED
        )
        microscope = SimulatedMicroscope(settings, cache)
        camera = microscope.start("00000000-0000-7000-8000-000000000000", None).camera
        frames: list[Frame] = [microscope.frame(seq) for seq in range(3)]
        kernels: tuple[ReductionKernel, ...] = get_args(ReductionKernel)
        ways = [_Way(camera, kernel, frames) for kernel in kernels]
        for number in range(_ROUNDS):
            for way in ways:
                way.pass_once(frames[number % len(frames)])
            on_round()
        rows += [way.row(settings) for way in ways]
    return rows


class _Way:
    """One kernel on one camera."""

    def __init__(self, camera: Camera, kernel: ReductionKernel, frames: list[Frame]) -> None:
        height, width = frames[0].shape[1:]
        self._kernel = kernel
        self._reducer = Reducer(camera, (height, width), kernel=kernel)
        self._detector = Detector(self._reducer.reduced_shape)
        lights = [self._reducer.light(frame) for frame in frames]
        self._background = of_empty_field(lights[0] + np.float32(0.1))
        self._freeze_ms = _freeze_ms(lights)
        self._rounds: list[list[float]] = []

    def pass_once(self, frame: Frame) -> None:
        at = [time.thread_time()]
        frame.reshape(-1).view(np.uint64).max()
        at.append(time.thread_time())
        light = self._reducer.light(frame)
        at.append(time.thread_time())
        other = light.copy()
        at.append(time.thread_time())
        reduced = self._reducer.flatten(light)
        at.append(time.thread_time())
        self._reducer.flatten(other, self._background)
        at.append(time.thread_time())
        found = self._detector.detect(reduced)
        cut_crops(reduced, found)
        at.append(time.thread_time())
        read, lit, _, own, given, rest = 1e3 * np.diff(at)
        self._rounds.append([read, lit, own, given, rest, len(found)])

    def row(self, settings: MicroscopeSettings) -> ReductionRow:
        rounds = np.array(self._rounds)
        read, light, own, given, rest, cells = np.median(rounds, axis=0)
        whole = rounds[:, [1, 2, 4]].sum(axis=1) / rounds[:, 0]
        whole_given = rounds[:, [1, 3, 4]].sum(axis=1) / rounds[:, 0]
        return ReductionRow(
            size_px=settings.size_px,
            pixel_size_um=settings.pixel_size_um,
            kernel=self._kernel,
            cells=int(cells),
            read_ms=float(read),
            light_ms=float(light),
            own_ms=float(own),
            given_ms=float(given),
            rest_ms=float(rest),
            total_to_read=float(np.median(whole)),
            total_given_to_read=float(np.median(whole_given)),
            freeze_ms=self._freeze_ms,
        )


def _freeze_ms(lights: list[F32]) -> float:
    height, width = lights[0].shape[1:]
    stack = BackgroundStack((len(lights[0]), height, width), _GATHERED)
    for number in range(_GATHERED):
        stack.add(lights[number % len(lights)])
    began_s = time.thread_time()
    of_cells(stack.median())
    return 1e3 * (time.thread_time() - began_s)
