"""Times the pure frame path on simulated frames: reduce, detect, crop, beside reading the same bytes once.

CPU milliseconds of this thread (another process on the box does not count), medians of interleaved rounds. The ratio to
reading the bytes says more than the milliseconds: it is taken in the same rounds, on the same busy box.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope
from phenostream.engine.crop import cut_crops
from phenostream.engine.detect import Detector
from phenostream.engine.optics.dipoles import measure_dipoles
from phenostream.engine.optics.orientation_window import MOST_CELLS_A_FRAME, SETTLED_EVERY
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import Camera, Frame

STEPS: Final = ("read", "reduce", "detect", "crop", "dipoles")


@dataclass(frozen=True, slots=True)
class FramePathRow:
    """Medians over the rounds, CPU milliseconds a frame.

    Attributes:
        size_px: Side of the frame, camera pixels.
        pixel_size_um: Camera pixel.
        cells: Found cells a frame, median.
        read_ms: Reading every byte once (the largest of the frame as u64).
        reduce_ms: Reduction, flat field and residual.
        detect_ms: Detection, centres and diameters.
        crop_ms: Crops and their backgrounds.
        total_ms: Reduce, detect and crop together, median of the sums.
        total_to_read: total / read, median of the rounds' ratios.
        dipoles_ms: Looking at the illumination, which a settled run does for one frame in eight.
        dipoles_to_total: That eighth over the total.
    """

    size_px: int
    pixel_size_um: float
    cells: int
    read_ms: float
    reduce_ms: float
    detect_ms: float
    crop_ms: float
    total_ms: float
    total_to_read: float
    dipoles_ms: float
    dipoles_to_total: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_framepath(
    settings: MicroscopeSettings, cache: Path, *, frames: int = 4, rounds: int = 15
) -> FramePathRow:
    """Time the frame path.

    Args:
        settings: What to simulate.
        cache: Folder of rendered cells.
        frames: Distinct frames, used in turn.
        rounds: Timed frames.
    """
    cv2.setNumThreads(1)
    microscope = SimulatedMicroscope(settings, cache)
    start = microscope.start("00000000-0000-7000-8000-000000000000", None)
    made = [microscope.frame(seq) for seq in range(frames)]
    shape = (settings.size_px, settings.size_px)
    path = _Path(start.camera, shape)
    for frame in made:
        path.pass_once(frame)
    timed = [path.pass_once(made[k % frames]) for k in range(rounds)]
    steps_ms = np.array([ms for ms, _ in timed])
    read, reduced, detected, cropped, dipoles = np.median(steps_ms, axis=0)
    total = steps_ms[:, 1:4].sum(axis=1)
    return FramePathRow(
        size_px=settings.size_px,
        pixel_size_um=settings.pixel_size_um,
        cells=int(np.median([cells for _, cells in timed])),
        read_ms=float(read),
        reduce_ms=float(reduced),
        detect_ms=float(detected),
        crop_ms=float(cropped),
        total_ms=float(np.median(total)),
        total_to_read=float(np.median(total / steps_ms[:, 0])),
        dipoles_ms=float(dipoles),
        dipoles_to_total=float(np.median(steps_ms[:, 4] / SETTLED_EVERY / total)),
    )


class _Path:
    def __init__(self, camera: Camera, shape: tuple[int, int]) -> None:
        self._reducer = Reducer(camera, shape)
        self._detector = Detector(self._reducer.reduced_shape)

    def pass_once(self, frame: Frame) -> tuple[list[float], int]:
        """CPU milliseconds of `STEPS`, and the found cells."""
        at = [time.thread_time()]
        frame.reshape(-1).view(np.uint64).max()
        at.append(time.thread_time())
        reduced = self._reducer.reduce(frame)
        at.append(time.thread_time())
        found = self._detector.detect(reduced)
        at.append(time.thread_time())
        cut_crops(reduced, found)
        at.append(time.thread_time())
        measure_dipoles(reduced, MOST_CELLS_A_FRAME)
        at.append(time.thread_time())
        return [1e3 * step for step in np.diff(at)], len(found)
