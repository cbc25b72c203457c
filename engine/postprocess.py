"""From detections and graph outputs to the columns of one frame's result: one row per found cell.

| column | dtype, shape | unit | meaning |
|---|---|---|---|
| index | u32 (N,) | 1 | number of the cell in its frame, in order of (y, x) |
| y_px, x_px | f32 (N,) | px | full-resolution camera pixels, 0 = centre of the first pixel, y down, x right |
| y_um, x_um | f32 (N,) | um | the same on the stage; only when the frame said where it was taken |
| diameter_um | f32 (N,) | um | apparent (optical) diameter, as `detect` measures it |
| contrast | f32 (N,) | 1 | strength of the detection over the frame's noise |
| edge | bool (N,) | 1 | the crop would leave the frame |
| status | u8 (N,) | 1 | index in `STATUSES`: classified, edge, rejected, over_limit, failed |
| class | u8 (N,) | 1 | the most probable: index in the manifest's classes; 255 (`NO_CLASS`) unless classified |
| class_set | u8 (N,) | 1 | bit i: class i cannot be excluded; 0 unless classified; only of a model that gives sets |
| class_probability | f32 (N, 3) | 1 | calibrated, if the manifest says so; rows sum to 1 |
| class_logits | f32 (N, 3) | 1 | as the network gave them |
| marker_z | f32 (N, 4) | 1 | z-scored targets, in the manifest's order of (pooled) markers |
| marker_estimate | f32 (N, 4) | marker unit | the same in the manifest's unit |
| marker_low, marker_high | f32 (N, 4) | marker unit | ends of the interval, at the manifest's coverage |
| ood_score | f32 (N,) | 1 | larger = less like the training cells |
| ood | bool (N,) | 1 | the score exceeds the manifest's threshold |
| reject_probability | f32 (N,) | 1 | that this is no white cell |
| feature | f16 (N, 256) | 1 | shared representation; only when asked for |

Cells the model did not see (edge, over_limit) have NaN in every float column of the model, and so have failed ones: the
backend gave no finite outputs for them, alone or in company. Rejected cells keep their numbers, for whoever doubts the
rejection, but no class. What a model does not have (intervals, a score, a reject head:
see `Calibration`) is NaN for every cell, and then nothing is flagged or rejected. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.class_sets import class_bits, class_members
from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import Calibration, Manifest
from phenostream.engine.reduce import full_from_reduced
from phenostream.engine.types import F32, FEATURE_DIM, U8, Bool, Detections, Outputs

STATUSES: Final = ("classified", "edge", "rejected", "over_limit", "failed")
CLASSIFIED, EDGE, REJECTED, OVER_LIMIT, FAILED = range(5)
NO_CLASS: Final = 255


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity of every cell.

    Attributes:
        array: (N, ...), first axis = cell.
        unit: ``px``, ``um``, ``1`` (none) or the manifest's marker unit.
    """

    array: npt.NDArray[Any]
    unit: str


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """Where a frame lies.

    Attributes:
        factor: Camera pixels per reduced pixel.
        pixel_size_um: Camera pixel at the sample.
        shape: (H, W), camera pixels.
        stage_um: Stage (x, y) of the field's centre, camera axes along the stage's; None when unknown.
    """

    factor: float
    pixel_size_um: float
    shape: tuple[int, int]
    stage_um: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class CellCounts:
    """What became of the cells; found = classified + edge + rejected + over_limit + failed."""

    found: int = 0
    classified: int = 0
    edge: int = 0
    rejected: int = 0
    over_limit: int = 0
    failed: int = 0


def frame_columns(
    detections: Detections,
    seen: Bool,
    outputs: Outputs | None,
    view: FieldOfView,
    manifest: Manifest,
    *,
    feature: bool = False,
) -> dict[str, Column]:
    """The columns of one frame, in the order of the table above.

    Args:
        detections: N found cells.
        seen: (N,) bool, cells that went through the model; never an edge cell.
        outputs: One row per seen cell, in order; None if there is none. A row that is not finite is a failed cell.
        view: Where the frame lies.
        manifest: Of the model that gave the outputs.
        feature: Also return the 256 features.

    Raises:
        EngineFault: The outputs do not have one row per seen cell.
    """
    rows = 0 if outputs is None else len(outputs)
    if rows != int(seen.sum()):
        raise EngineFault(f"outputs: {rows} rows for {int(seen.sum())} cells")
    columns = _found_columns(detections, view)
    failed = _failed(seen, outputs)
    model = _model_arrays(seen & ~failed, _without(outputs, failed[seen]), feature)
    for name in _absent(manifest.calibration):
        model[name].fill(np.nan)
    status = _status(detections.edge, seen, model["reject_probability"], manifest)
    status[failed] = FAILED
    ood = seen & _exceeds(np.greater, model["ood_score"], manifest.calibration.ood_threshold)
    columns["status"] = Column(status, "1")
    columns["class"] = Column(_classes(status, model["class_probability"]), "1")
    sets = manifest.calibration.class_sets
    if sets is not None:
        bits = _class_sets(status, model["class_probability"], sets.threshold)
        columns["class_set"] = Column(bits, "1")
    marker_unit = manifest.marker_unit
    for name, array in model.items():
        unit = marker_unit if name in ("marker_estimate", "marker_low", "marker_high") else "1"
        columns[name] = Column(array, unit)
        if name == "ood_score":
            columns["ood"] = Column(ood, "1")
    return columns


def count_cells(status: U8) -> CellCounts:
    """Count the fates of cells from a ``status`` column (N,)."""
    counts = np.bincount(status, minlength=len(STATUSES))
    return CellCounts(len(status), *(int(n) for n in counts[: len(STATUSES)]))


def _found_columns(detections: Detections, view: FieldOfView) -> dict[str, Column]:
    y_px = full_from_reduced(detections.y, view.factor)
    x_px = full_from_reduced(detections.x, view.factor)
    columns = {
        "index": Column(np.arange(len(detections), dtype=np.uint32), "1"),
        "y_px": Column(y_px, "px"),
        "x_px": Column(x_px, "px"),
    }
    if view.stage_um is not None:
        middle_y, middle_x = (view.shape[0] - 1) / 2, (view.shape[1] - 1) / 2
        stage_x, stage_y = view.stage_um
        columns["y_um"] = Column(_on_stage(y_px, middle_y, stage_y, view.pixel_size_um), "um")
        columns["x_um"] = Column(_on_stage(x_px, middle_x, stage_x, view.pixel_size_um), "um")
    return columns | {
        "diameter_um": Column(detections.diameter_um, "um"),
        "contrast": Column(detections.contrast, "1"),
        "edge": Column(detections.edge, "1"),
    }


def _on_stage(pixel: F32, middle: float, stage_um: float, pixel_size_um: float) -> F32:
    """Computed in float64, so that nothing is lost before the final rounding to float32."""
    position: F32 = (stage_um + (pixel.astype(np.float64) - middle) * pixel_size_um).astype(
        np.float32
    )
    return position


def _model_arrays(
    seen: Bool, outputs: Outputs | None, feature: bool
) -> dict[str, npt.NDArray[Any]]:
    """Outputs spread over all found cells, NaN where the model saw none."""
    shapes: dict[str, tuple[int, ...]] = {
        "class_probability": (3,),
        "class_logits": (3,),
        "marker_z": (4,),
        "marker_estimate": (4,),
        "marker_low": (4,),
        "marker_high": (4,),
        "ood_score": (),
        "reject_probability": (),
    }
    if feature:
        shapes["feature"] = (FEATURE_DIM,)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, shape in shapes.items():
        dtype = np.float16 if name == "feature" else np.float32
        arrays[name] = np.full((len(seen), *shape), np.nan, dtype)
        if outputs is not None:
            arrays[name][seen] = _output(outputs, name)
    return arrays


def _failed(seen: Bool, outputs: Outputs | None) -> Bool:
    """(N,) cells whose row of outputs is not finite."""
    failed = np.zeros(len(seen), np.bool_)
    if outputs is not None:
        failed[seen] = ~outputs.finite_rows()
    return failed


def _without(outputs: Outputs | None, failed: Bool) -> Outputs | None:
    """The outputs of the cells that did not fail."""
    if outputs is None or not failed.any():
        return outputs
    return outputs.take(~failed)


def _output(outputs: Outputs, name: str) -> npt.NDArray[Any]:
    if name == "marker_low":
        return outputs.marker_interval[..., 0]
    if name == "marker_high":
        return outputs.marker_interval[..., 1]
    values: npt.NDArray[Any] = getattr(outputs, name)
    return values


def _status(edge: Bool, seen: Bool, reject_probability: F32, manifest: Manifest) -> U8:
    status = np.full(len(edge), OVER_LIMIT, np.uint8)
    status[edge] = EDGE
    threshold = manifest.calibration.reject_threshold
    status[seen] = CLASSIFIED
    status[seen & _exceeds(np.greater_equal, reject_probability, threshold)] = REJECTED
    return status


def _exceeds(beyond: np.ufunc, column: F32, threshold: float | None) -> Bool:
    """(N,) whether a column is beyond its threshold: never without a threshold or for NaN."""
    if threshold is None:
        return np.zeros(len(column), np.bool_)
    with np.errstate(invalid="ignore"):
        found: Bool = beyond(column, np.float32(threshold))
    return found


def _absent(calibration: Calibration) -> list[str]:
    """Columns of what the model does not have."""
    absent = ["marker_low", "marker_high"] if calibration.interval_half_width_z is None else []
    absent += ["ood_score"] if calibration.ood_threshold is None else []
    absent += ["reject_probability"] if calibration.reject_threshold is None else []
    return absent


def _classes(status: U8, class_probability: F32) -> U8:
    classes = np.full(len(status), NO_CLASS, np.uint8)
    classified = status == CLASSIFIED
    classes[classified] = np.argmax(class_probability[classified], axis=1)
    return classes


def _class_sets(status: U8, class_probability: F32, threshold: Sequence[float]) -> U8:
    sets = np.zeros(len(status), np.uint8)
    classified = status == CLASSIFIED
    sets[classified] = class_bits(class_members(class_probability[classified], threshold))
    return sets
