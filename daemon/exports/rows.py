"""Results as a table: one row per found cell, one plain column per quantity, with unit and meaning.

Vector columns are split by name (``class_probability_lymphocyte``, ``marker_estimate_CD16``); every row says which
frame it is from, whether weights or images are synthetic, which model spoke, and whether that is calibrated. Frames
without a cell, and frames that were not published, have no row: `RowMaker.fates` counts them. Pure.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from phenostream.daemon.exports.trust import Trust, trust_in
from phenostream.daemon.wire.results import FrameRecord, WireColumn
from phenostream.engine.class_sets import classes_of
from phenostream.engine.errors import BadInput
from phenostream.engine.postprocess import NO_CLASS, STATUSES
from phenostream.engine.types import CLASSES, MARKERS

Kind = Literal["text", "u64", "u32", "f32", "bool", "bool or empty"]
Rows = dict[str, npt.NDArray[Any]]
"""Column name → (N,) array; text and ``bool or empty`` are of dtype object, None where there is nothing to say."""

_DTYPES: Final[dict[Kind, Any]] = {
    "text": object,
    "u64": np.uint64,
    "u32": np.uint32,
    "f32": np.float32,
    "bool": np.bool_,
    "bool or empty": object,
}


@dataclass(frozen=True, slots=True)
class RowColumn:
    """One column of the table.

    Attributes:
        unit: ``px``, ``um``, ``ns``, ``1`` (none) or the marker unit of the model; empty for text.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str


_FLAGS: Final = {
    "dark": "the background of a shot is too dark",
    "saturated": "too many pixels of a shot are at the white level",
    "noisy": "the noise of a camera pixel is too large",
    "undersampled": "the camera pixel is larger than the model was trained on",
    "residual_high": "light fails to add, further than noise and good cells explain",
    "misoriented": "the run's shots are not what they are called; orientation says how",
}
_FRAME_COLUMNS: Final = (
    RowColumn("run", "text", "", "run id"),
    RowColumn("instrument", "text", "", "name of the microscope"),
    RowColumn("frame_seq", "u64", "1", "number of the frame in its run"),
    RowColumn("cell", "u32", "1", "number of the cell in its frame, in order of (y, x)"),
    RowColumn("offset", "u64", "1", "place of the frame's record in the journal"),
    RowColumn("received_utc_ns", "u64", "ns", "wall clock when the frame had arrived, Unix epoch"),
    RowColumn("source_utc_ns", "u64", "ns", "time the microscope gave the frame, Unix epoch"),
    RowColumn("mode", "text", "", "lossless, or best-effort: frames of the run may be missing"),
    RowColumn("synthetic", "bool", "", "the model or the microscope is simulated; not evidence"),
    RowColumn("model_synthetic", "bool", "", "the model was trained on simulated cells"),
    RowColumn("source_synthetic", "bool", "", "the frame came from a simulated microscope"),
    RowColumn("calibrated", "bool", "", "class probabilities and marker intervals are calibrated"),
    RowColumn("model", "text", "", "name of the model"),
    RowColumn("model_version", "text", "", "version of the model"),
    RowColumn("model_sha256", "text", "", "identity of the model bundle"),
    RowColumn("backend", "text", "", "runtime that inferred the frame"),
    RowColumn("precision", "text", "", "arithmetic that inferred the frame"),
    RowColumn(
        "degraded", "text", "", "faults of the daemon that were open then; empty without one"
    ),
    RowColumn("drift", "text", "", "alarms of drift that the run had open then; empty without one"),
    RowColumn("four_shot_residual", "f32", "1", "how far light fails to add in the whole frame"),
    *(RowColumn(name, "bool", "", meaning) for name, meaning in _FLAGS.items()),
    RowColumn(
        "orientation",
        "text",
        "",
        "whether the run's shots are what they are called, and if not how",
    ),
)
_CELL_COLUMNS: Final = (
    RowColumn("y_px", "f32", "px", "centre, camera pixels down, 0 = centre of the first pixel"),
    RowColumn("x_px", "f32", "px", "centre, camera pixels to the right"),
    RowColumn("y_um", "f32", "um", "centre on the stage; empty where the stage is not known"),
    RowColumn("x_um", "f32", "um", "centre on the stage; empty where the stage is not known"),
    RowColumn("diameter_um", "f32", "um", "apparent (optical) diameter"),
    RowColumn("contrast", "f32", "1", "strength of the detection over the frame's noise"),
    RowColumn("edge", "bool", "", "the crop would leave the frame"),
    RowColumn("status", "text", "", f"{', '.join(STATUSES)}: why a cell has no class"),
    RowColumn("class", "text", "", "most probable class; empty unless classified"),
    RowColumn(
        "class_set",
        "text",
        "",
        "classes that cannot be excluded; empty unless classified, and where the model gives none",
    ),
)
_IF_ANY: Final = "empty where the model has none"
_MODEL_COLUMNS: Final = (
    RowColumn("ood_score", "f32", "1", f"larger = less like the training cells; {_IF_ANY}"),
    RowColumn(
        "ood", "bool or empty", "", "the score exceeds the model's ood_threshold; empty without one"
    ),
    RowColumn(
        "reject_probability", "f32", "1", f"that this is no white cell; never calibrated; {_IF_ANY}"
    ),
)
_SPLIT: Final[tuple[tuple[str, Sequence[str], str], ...]] = (
    ("class_probability", CLASSES, "probability of the class, {calibration}"),
    ("class_logits", CLASSES, "as the network gave it"),
    ("marker_z", MARKERS, "z-scored target"),
    ("marker_estimate", MARKERS, "estimate (pooled markers are one number)"),
    ("marker_low", MARKERS, "lower end of the {interval}, {calibration}"),
    ("marker_high", MARKERS, "upper end of the {interval}, {calibration}"),
)
_EMPTY: Final[dict[Kind, bool | None]] = {"bool": False, "bool or empty": None}
_CLASS_NAMES: Final = {**dict(enumerate(CLASSES)), NO_CLASS: None}
_IN_MARKER_UNIT: Final = frozenset({"marker_estimate", "marker_low", "marker_high"})


def plain_name(name: str) -> str:
    """A class or marker as part of a column name: runs of anything but letters and digits become ``_``."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")


def row_columns(marker_unit: str, trust: Trust | None = None) -> tuple[RowColumn, ...]:
    """All columns in order; their meanings say what `trust` says of probabilities and intervals."""
    words = asdict(trust or Trust())
    split = tuple(
        RowColumn(
            f"{vector}_{plain_name(part)}",
            "f32",
            marker_unit if vector in _IN_MARKER_UNIT else "1",
            f"{part}: {meaning.format(**words)}; empty where the model did not see the cell",
        )
        for vector, parts, meaning in _SPLIT
        for part in parts
    )
    return (*_FRAME_COLUMNS, *_CELL_COLUMNS, *split, *_MODEL_COLUMNS)


class RowMaker:
    """Turns results into rows and keeps account of what it saw.

    Attributes:
        frames: Results taken.
        rows: Cells returned.
        fates: Frames by fate, and by ``fate.code`` where a reason was given.
        runs: In the order they were seen.
        models: What the results say of their models, each once.
        marker_unit: Of the first frame that had cells; empty before.
        synthetic: Whether any frame's weights or images are synthetic.
        model_synthetic: Whether any frame's weights are.
    """

    def __init__(self) -> None:
        self.frames = self.rows = 0
        self.fates: Counter[str] = Counter()
        self.runs: list[str] = []
        self.models: list[dict[str, Any]] = []
        self.marker_unit = ""
        self.synthetic = self.model_synthetic = False

    def columns(self) -> tuple[RowColumn, ...]:
        """The table's columns, with meanings that are true of every result taken so far."""
        trust = trust_in(self.models, synthetic=self.model_synthetic)
        return row_columns(self.marker_unit, trust)

    def take(self, offset: int, record: FrameRecord) -> Rows | None:
        """The rows of one frame; None where it has none.

        Raises:
            BadInput: The record lacks a key, or its marker unit is another than before: names the frame.
        """
        meta = record.meta
        try:
            where = f"run {meta['run']} frame {meta['frame_seq']} (offset {offset})"
            self._count(meta)
        except (KeyError, TypeError) as err:
            raise BadInput(f"offset {offset}: a result without {err}") from err
        found = len(next(iter(record.columns.values())).values) if record.columns else 0
        if not found:
            return None
        self._check_unit(record.columns, where)
        try:
            rows = {**_frame_rows(meta, offset, found), **_cell_rows(record.columns, found)}
        except (KeyError, TypeError, ValueError, OverflowError, IndexError) as err:
            raise BadInput(f"{where}: {type(err).__name__}: {str(err)[:120]}") from err
        self.rows += found
        return rows

    def _count(self, meta: Mapping[str, Any]) -> None:
        fate, reason = str(meta["fate"]), meta.get("reason")
        if str(meta["run"]) not in self.runs:
            self.runs.append(str(meta["run"]))
        model = dict(meta.get("model") or {})
        if model not in self.models:
            self.models.append(model)
        self.frames += 1
        self.fates[fate] += 1
        if reason:
            self.fates[f"{fate}.{str(reason).split(':', 1)[0]}"] += 1
        self.synthetic |= bool(meta.get("synthetic") or meta.get("source_synthetic"))
        self.model_synthetic |= bool(meta.get("model_synthetic"))

    def _check_unit(self, columns: Mapping[str, WireColumn], where: str) -> None:
        unit = columns["marker_estimate"].unit if "marker_estimate" in columns else ""
        self.marker_unit = self.marker_unit or unit
        if unit and unit != self.marker_unit:
            raise BadInput(
                f"{where}: markers in {unit}, in {self.marker_unit} before; export one run at a time"
            )


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several frames behind each other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _frame_rows(meta: Mapping[str, Any], offset: int, found: int) -> Rows:
    model, flags = meta.get("model") or {}, meta.get("flags") or {}
    residual = flags.get("four_shot_residual")
    values = {
        "run": meta["run"],
        "instrument": meta["instrument"],
        "frame_seq": meta["frame_seq"],
        "offset": offset,
        "received_utc_ns": meta["received_utc_ns"],
        "source_utc_ns": meta["source_utc_ns"],
        "mode": meta.get("mode"),
        "synthetic": bool(meta["synthetic"]),
        "model_synthetic": bool(meta["model_synthetic"]),
        "source_synthetic": bool(meta["source_synthetic"]),
        "calibrated": model.get("calibrated") is True,
        "model": model.get("name"),
        "model_version": model.get("version"),
        "model_sha256": model.get("sha256"),
        "backend": model.get("backend"),
        "precision": model.get("precision"),
        "degraded": _names(meta.get("degraded")),
        "drift": _names(meta.get("drift")),
        "four_shot_residual": np.nan if residual is None else residual,
        **{name: flags.get(name) is True for name in _FLAGS},
        "orientation": flags.get("orientation"),
    }
    rows: Rows = {}
    for column in _FRAME_COLUMNS:
        if column.name == "cell":
            rows["cell"] = np.arange(found, dtype=np.uint32)
        else:
            rows[column.name] = np.full(found, values[column.name], _DTYPES[column.kind])
    return rows


def _names(told: object) -> str | None:
    """A list of names as one text; None for a record that tells of none."""
    return ", ".join(map(str, told)) or None if isinstance(told, list) else None


def _cell_rows(columns: Mapping[str, WireColumn], found: int) -> Rows:
    rows: Rows = {}
    for column in _CELL_COLUMNS:
        if column.name == "status":
            rows["status"] = np.array(STATUSES, object)[columns["status"].values]
        elif column.name == "class":
            rows["class"] = np.array(
                [_CLASS_NAMES[kind] for kind in columns["class"].values.tolist()], object
            )
        elif column.name == "class_set":
            rows["class_set"] = _class_sets(columns.get("class_set"), found)
        else:
            rows[column.name] = _scalar(columns, column, found)
    for vector, parts, _ in _SPLIT:
        held = columns.get(vector)
        for i, part in enumerate(parts):
            values = np.full(found, np.nan, np.float32) if held is None else held.values[:, i]
            rows[f"{vector}_{plain_name(part)}"] = values.astype(np.float32)
    for column in _MODEL_COLUMNS:
        rows[column.name] = _scalar(columns, column, found)
    rows["ood"][np.isnan(rows["ood_score"])] = (
        None  # no score, no verdict: false would look like a good sign
    )
    return rows


def _class_sets(held: WireColumn | None, found: int) -> npt.NDArray[Any]:
    """(N,) such as ``granulocyte or monocyte``; None where there is no set."""
    bits = [0] * found if held is None else held.values.tolist()
    return np.array([" or ".join(classes_of(one, CLASSES)) or None for one in bits], object)


def _scalar(columns: Mapping[str, WireColumn], column: RowColumn, found: int) -> npt.NDArray[Any]:
    held = columns.get(column.name)
    if held is None:
        return np.full(found, _EMPTY.get(column.kind, np.nan), _DTYPES[column.kind])
    if held.values.shape != (found,):
        raise ValueError(f"column {column.name}: shape {held.values.shape}, expected ({found},)")
    values: npt.NDArray[Any] = held.values.astype(_DTYPES[column.kind])
    return values
