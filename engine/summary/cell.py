"""One cell explained: what its result says of it, and why it was classified, rejected or flagged.

Reads the columns of a frame's result and what the result says of its model; knows no file and no wire. Nothing is
estimated here: a value that the result does not have is None, and so is one of a cell that the model did not see.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.engine.class_sets import classes_of
from phenostream.engine.errors import BadInput
from phenostream.engine.postprocess import NO_CLASS, STATUSES

Columns = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ClassProbability:
    """How probable one class is; calibrated if the cell's facts say so."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class CellMarker:
    """One (pooled) marker of one cell, in the marker unit.

    Attributes:
        name: As in the manifest; proteins of a pool are joined by ``/``.
        estimate: The model's.
        low: Lower end of the cell's own interval; None where the model has none.
        high: Upper end.
    """

    name: str
    estimate: float
    low: float | None
    high: float | None

    @property
    def pooled(self) -> bool:
        """One number for several proteins, which cannot be told apart."""
        return "/" in self.name


@dataclass(frozen=True, slots=True)
class CellFacts:
    """One cell of one frame.

    Attributes:
        run: Of the frame.
        instrument: Likewise.
        frame_seq: Likewise.
        index: Of the cell in its frame.
        status: One of `STATUSES`.
        x_px: Camera pixels, to the right, 0 = the centre of the first pixel.
        y_px: Likewise, down.
        diameter_um: Apparent diameter.
        contrast: Of the detection, over the frame's noise.
        class_name: The most probable; None unless classified.
        probabilities: The most probable first; empty where the model did not see the cell. Of a rejected cell they are
            what it would be, were it a white cell.
        possible: Classes that cannot be excluded; None where the model gives no such sets, or the cell has none.
        class_coverage: Of each class, the least share of cells whose set holds it; nominal; None without sets.
        markers: In the manifest's order; empty where the model did not see the cell.
        marker_unit: Of them.
        interval_coverage: Nominal coverage of their intervals; None where the model has none.
        calibrated: Probabilities and intervals were calibrated.
        reject_probability: That this is no white cell; never calibrated; None where it is not known.
        reject_threshold: From here on a cell is rejected; None where the model cannot reject.
        ood_score: Larger: less like the training cells; None where it is not known.
        ood_threshold: Above it a cell is flagged; None where the model has no score.
        unusual: It is flagged.
        frame_flags: What speaks against the whole frame, by the names of `FrameFlags`.
        model: Name and version.
        model_sha256: Identity of its bundle.
        model_synthetic: It was trained on simulated cells.
        source_synthetic: The cells are simulated.
    """

    run: str
    instrument: str
    frame_seq: int
    index: int
    status: str
    x_px: float
    y_px: float
    diameter_um: float
    contrast: float
    class_name: str | None
    probabilities: tuple[ClassProbability, ...]
    possible: tuple[str, ...] | None
    class_coverage: float | None
    markers: tuple[CellMarker, ...]
    marker_unit: str
    interval_coverage: float | None
    calibrated: bool
    reject_probability: float | None
    reject_threshold: float | None
    ood_score: float | None
    ood_threshold: float | None
    unusual: bool
    frame_flags: tuple[str, ...]
    model: str
    model_sha256: str
    model_synthetic: bool
    source_synthetic: bool

    @property
    def nearest_other(self) -> ClassProbability | None:
        """The most probable of the other classes; None where the model did not see the cell."""
        return next((one for one in self.probabilities[1:]), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def cell_facts(meta: Mapping[str, Any], columns: Columns, index: int) -> CellFacts:
    """The facts of one cell of a frame.

    Args:
        meta: Of the frame's result, without its columns.
        columns: Of the same result, by name.
        index: Of the cell in its frame.

    Raises:
        BadInput: The frame has no such cell, or the result lacks something or contradicts itself.
    """
    found = len(columns["index"]) if "index" in columns else 0
    if not 0 <= index < found:
        fate = "" if found else f" ({str(meta.get('fate'))[:40]})"
        raise BadInput(
            f"index {index}: the frame has {found} cells{fate}, allowed {f'0 to {found - 1}' if found else 'none'}"
        )
    try:
        return _read(meta, meta["model"], columns, index)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as err:
        reason = str(err).splitlines()[0][:80] if str(err) else ""
        raise BadInput(f"result: cannot be explained: {type(err).__name__} {reason}") from err


def _read(
    meta: Mapping[str, Any], model: Mapping[str, Any], columns: Columns, index: int
) -> CellFacts:
    classes = tuple(map(str, model["classes"]))
    kind, status = int(columns["class"][index]), STATUSES[int(columns["status"][index])]
    probabilities = _probabilities(classes, columns["class_probability"][index])
    best = probabilities[0].name if probabilities else None
    if (classes[kind] != best) if status == "classified" else (kind != NO_CLASS):
        raise ValueError(f"class {kind} of a cell that is {status}, most probably {best}")
    bits = int(columns["class_set"][index]) if "class_set" in columns else 0
    return CellFacts(
        run=str(meta["run"]),
        instrument=str(meta["instrument"]),
        frame_seq=int(meta["frame_seq"]),
        index=index,
        status=status,
        **{
            name: float(columns[name][index])
            for name in ("x_px", "y_px", "diameter_um", "contrast")
        },
        class_name=None if kind == NO_CLASS else classes[kind],
        probabilities=probabilities,
        possible=classes_of(bits, classes) if bits else None,
        class_coverage=_number(model.get("class_coverage")),
        markers=_markers(tuple(map(str, model["markers"])), columns, index),
        marker_unit=str(model["marker_unit"]),
        interval_coverage=_number(model["interval_coverage"]),
        calibrated=bool(model["calibrated"]),
        reject_probability=_number(columns["reject_probability"][index]),
        reject_threshold=_number(model["reject_threshold"]),
        ood_score=_number(columns["ood_score"][index]),
        ood_threshold=_number(model["ood_threshold"]),
        unusual=bool(columns["ood"][index]),
        frame_flags=tuple(name for name, value in meta["flags"].items() if value is True),
        model=f"{model['name']} {model['version']}",
        model_sha256=str(model["sha256"]),
        model_synthetic=bool(meta["model_synthetic"]),
        source_synthetic=bool(meta["source_synthetic"]),
    )


def _probabilities(classes: tuple[str, ...], row: npt.NDArray[Any]) -> tuple[ClassProbability, ...]:
    """The most probable first; in the manifest's order where two are alike."""
    if not np.isfinite(row).all():
        return ()
    told = [
        ClassProbability(name, min(1.0, max(0.0, float(one))))
        for name, one in zip(classes, row, strict=True)
    ]
    return tuple(sorted(told, key=lambda one: -one.probability))


def _markers(names: tuple[str, ...], columns: Columns, index: int) -> tuple[CellMarker, ...]:
    estimate, low, high = (columns[f"marker_{what}"][index] for what in ("estimate", "low", "high"))
    return tuple(
        CellMarker(name, float(value), _number(lower), _number(upper))
        for name, value, lower, upper in zip(names, estimate, low, high, strict=True)
        if isfinite(value)
    )


def _number(value: Any) -> float | None:
    """None where there is no such number."""
    if value is None or not isfinite(number := float(value)):
        return None
    return number
