"""Which true cell a detection shows, and so the label of its crop.

Knows one simulated frame and its truth; does not know how many frames make a training set.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.crop import cut_crops, leaves_frame, select
from phenostream.engine.detect import Detector
from phenostream.engine.optics.scene import FrameSimulator, SimulatedFrame
from phenostream.engine.reduce import Reducer, full_from_reduced
from phenostream.engine.types import CROP_PX, F32, I32, REDUCED_PIXEL_UM, Bool, Detections, Reduced
from phenostream.trainer.data.cell_set import KINDS, CellSet

MATCH_UM: Final = 2.0
"""A detection is the cell whose centre is nearer than this."""
NOTHING_UM: Final = 6.0
"""A detection with no centre nearer than this shows no cell; between the two it has no label and is left out."""
_EMPTY_SHARE: Final = 0.05
"""Empty places cut for each labelled detection."""


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
    return CellSet.with_labels(
        np.concatenate([crops.images, nothing.images]),
        np.concatenate([crops.background, nothing.background]),
        kinds,
        np.where(mask, markers, 0).astype(np.float32),
        mask,
        np.zeros(len(kinds), np.int32),
    )


def _labels(
    found: Detections, reduced: Reduced, frame: SimulatedFrame, pixel_um: float
) -> tuple[I32, npt.NDArray[np.intp]]:
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
