"""Which true cell a detection shows, and so the label of its crop.

Knows one simulated frame and its truth; does not know how many frames make a training set. The label of a white cell is
what the gates call it, as in real training data: mostly, but not always, what it is.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.crop import cut_crops, leaves_frame, select
from phenostream.engine.detect import Detector
from phenostream.engine.optics.proteins import FLOOR_LOG10
from phenostream.engine.optics.scene import FrameSimulator, SimulatedFrame
from phenostream.engine.reduce import Reducer, full_from_reduced, reduced_from_full
from phenostream.engine.types import CROP_PX, F32, I32, REDUCED_PIXEL_UM, Bool, Detections, Reduced
from phenostream.trainer.data.cell_set import KINDS, WHITE, CellSet

Rows = npt.NDArray[np.intp]
"""Rows of a frame's truth; -1 where a crop shows none of its cells."""
_Labelled = tuple[Detections, I32, Rows]

MATCH_UM: Final = 2.0
"""A detection is the cell whose centre is nearer than this."""
NOTHING_UM: Final = 6.0
"""A detection with no centre nearer than this shows no cell; between the two it has no label and is left out."""
_DEBRIS, _EMPTY = KINDS.index("debris"), KINDS.index("empty")
_EMPTY_SHARE: Final = 0.05
"""Empty places cut for each labelled detection."""


def label_frame(
    simulator: FrameSimulator, frame: SimulatedFrame, rng: np.random.Generator
) -> CellSet:
    """Crops of one frame as the daemon would cut them, with labels from the truth.

    Debris is mostly too faint to be detected: it is cut at its true place as well, so that there is enough of it.
    """
    reduced = Reducer(simulator.camera, frame.counts.shape[1:]).reduce(frame.counts)
    found = Detector(reduced.shots.shape[1:]).detect(reduced)
    found = select(found, ~found.edge)
    pixel_um = simulator.settings.pixel_size_um
    kind, row = _labels(found, reduced, frame, pixel_um)
    found, kind, row = select(found, kind >= 0), kind[kind >= 0], row[kind >= 0]
    faint, faint_row = _missed_debris(reduced, frame, row, pixel_um)
    empty = _empty_places(reduced, frame, rng, max(1, round(_EMPTY_SHARE * len(found))))
    parts = (
        (found, kind, row),
        (faint, np.full(len(faint), _DEBRIS, np.int32), faint_row),
        (empty, np.full(len(empty), _EMPTY, np.int32), np.full(len(empty), -1)),
    )
    return _cut(reduced, frame, parts, pixel_um)


def _cut(
    reduced: Reduced, frame: SimulatedFrame, parts: tuple[_Labelled, ...], pixel_um: float
) -> CellSet:
    """The crops of all parts, each row with what the truth says of it."""
    crops = [cut_crops(reduced, places) for places, _, _ in parts]
    kind = np.concatenate([kind for _, kind, _ in parts])
    row = np.concatenate([row for _, _, row in parts])
    y, x = (np.concatenate([getattr(places, axis) for places, _, _ in parts]) for axis in "yx")
    position = np.stack([full_from_reduced(at, reduced.factor) * pixel_um for at in (y, x)], axis=1)
    known = (row >= 0) & (kind < WHITE)
    markers = np.full((len(kind), 4), np.nan, np.float32)
    truth = np.full((len(kind), 2), np.nan, np.float32)
    markers[known], truth[known] = frame.markers[row[known]], frame.truth[row[known]]
    mask = np.isfinite(markers)
    return CellSet(
        images=np.concatenate([one.images for one in crops]),
        background=np.concatenate([one.background for one in crops]),
        kind=kind,
        marker_log10=np.where(mask, markers, 0).astype(np.float32),
        marker_mask=mask,
        censored=mask & (markers <= np.float32(FLOOR_LOG10)),
        group=np.zeros(len(kind), np.int32),
        position=position.astype(np.float32),
        truth=truth,
    )


def _labels(
    found: Detections, reduced: Reduced, frame: SimulatedFrame, pixel_um: float
) -> tuple[I32, Rows]:
    """Kind (N,) int32 of each detection, -1 where it has none, and the row of the cell it shows, -1 for nothing."""
    if not len(frame):
        return np.full(len(found), _EMPTY, np.int32), np.full(len(found), -1)
    y = full_from_reduced(found.y, reduced.factor)
    x = full_from_reduced(found.x, reduced.factor)
    apart = np.hypot(y[:, None] - frame.y_px, x[:, None] - frame.x_px) * pixel_um
    nearest = apart.argmin(axis=1)
    least = apart.min(axis=1)
    kind = frame.gate[nearest].astype(np.int32)
    rival = (apart < MATCH_UM + 1) & (frame.gate[None, :] != kind[:, None])
    kind[(least > MATCH_UM) | rival.any(axis=1)] = -1
    kind[least > NOTHING_UM] = _EMPTY
    return kind, np.where(least > NOTHING_UM, -1, nearest)


def _missed_debris(
    reduced: Reduced, frame: SimulatedFrame, found: Rows, pixel_um: float
) -> tuple[Detections, Rows]:
    """Places of debris that no detection shows, away from everything else, and their rows in the frame."""
    y, x = (reduced_from_full(at, reduced.factor) for at in (frame.y_px, frame.x_px))
    rows = np.flatnonzero((frame.kind == _DEBRIS) & ~leaves_frame(y, x, reduced.shots.shape[1:]))
    rows = rows[~np.isin(rows, found)]
    apart = np.hypot(frame.y_px[rows, None] - frame.y_px, frame.x_px[rows, None] - frame.x_px)
    apart[np.arange(len(rows)), rows] = np.inf
    rows = rows[(apart * pixel_um > NOTHING_UM).all(axis=1)]
    return _places(y[rows], x[rows]), rows


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
    return _places(y[chosen], x[chosen])


def _places(y: F32, x: F32) -> Detections:
    """Places to cut at that were not detected: no diameter, no contrast, inside the frame."""
    nothing = np.zeros(len(y), np.float32)
    edge: Bool = np.zeros(len(y), np.bool_)
    return Detections(y, x, nothing, nothing, edge)
