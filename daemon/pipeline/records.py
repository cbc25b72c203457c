"""The journal records: one per frame whatever its fate, one when a run opens, one when it ends, one for another model.

Everything in a frame's record but its times follows from the frame, the model and the configuration: the same frame
gives the same record. Two things follow from the frames of its run that were prepared before it: what the shots seem to
be (`orientation`), and what it is divided by where the field is estimated from the stream.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from phenostream.daemon.channel_map import told_map
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import (
    ModelChanged,
    Passage,
    Prepared,
    RunEnded,
    RunStarted,
)
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import Fate, Mode, Start
from phenostream.daemon.wire.results import FrameRecord, WireColumn, encode_frame
from phenostream.engine.postprocess import (
    CellCounts,
    Column,
    FieldOfView,
    count_cells,
    frame_columns,
)
from phenostream.engine.types import NO_FLAGS, FrameFlags


@dataclass(frozen=True, slots=True)
class FrameEnd:
    """A frame's fate and the payload that tells it."""

    fate: Fate
    reason: str | None
    cells: dict[str, int]
    columns: dict[str, Column]
    flags: FrameFlags
    payload: bytes


def end_frame(
    passage: Passage,
    model: ServedModel,
    now_s: float,
    faults: Collection[str] = (),
    drift: Collection[str] = (),
) -> FrameEnd:
    """Turn a finished passage into its record.

    Args:
        passage: Finished.
        model: Who inferred it.
        now_s: Monotonic clock.
        faults: Names of the daemon's faults that are open.
        drift: What the run's earlier frames have open alarms of.
    """
    fate, reason = passage.failure or ("published", None)
    prepared = passage.prepared if fate == "published" else None
    columns: dict[str, Column] = {}
    cells = CellCounts()
    if prepared is not None:
        view = _view(passage, prepared)
        columns = frame_columns(
            prepared.detections, prepared.seen, passage.outputs(), view, model.manifest
        )
        cells = count_cells(columns["status"].array)
    meta = _meta(passage, model) | {
        "fate": fate,
        "reason": reason,
        "degraded": sorted(passage.faults.union(faults)),
        "drift": sorted(drift),
        "counts": asdict(cells),
        "timing_ms": _timing_ms(passage, now_s),
    }
    wire = {name: WireColumn(column.array, column.unit) for name, column in columns.items()}
    flags = prepared.flags if prepared is not None else NO_FLAGS
    payload = encode_frame(FrameRecord(meta, wire))
    return FrameEnd(fate, reason, asdict(cells), columns, flags, payload)


def stages_s(passage: Passage) -> dict[str, float]:
    """Seconds in each stage on one monotonic clock: queue, prepare, wait (for a batch and a stream), infer.

    They add up to the time from the frame's arrival to its last cell; empty for a frame that was not prepared.
    """
    prepared = passage.prepared
    if prepared is None:
        return {}
    return {
        "queue": prepared.began_s - passage.arrival.received_s,
        "prepare": prepared.done_s - prepared.began_s,
        "wait": max(0.0, passage.inferred_s - prepared.done_s - passage.infer_s),
        "infer": passage.infer_s,
    }


def flags_of(told: Mapping[str, Any]) -> FrameFlags:
    """The flags that a record's ``flags`` tell; those of an earlier version tell fewer."""
    return FrameFlags(**{field.name: told.get(field.name) is True for field in fields(FrameFlags)})


def run_started(entry: RunStarted, *, model_synthetic: bool) -> bytes:
    """The status record of a run that opens."""
    return pack(_started("run_started", entry, model_synthetic))


def run_open(entry: RunStarted, *, model_synthetic: bool) -> dict[str, Any]:
    """What its run_started record says of a run, told to a subscriber that came later."""
    return _started("run_open", entry, model_synthetic)


def run_ended(entry: RunEnded, ledger: dict[str, int], *, model_synthetic: bool) -> bytes:
    """The status record of a run whose every frame is settled."""
    more = {"ended_by": entry.ended_by, "ledger": ledger}
    return pack(_status("run_ended", entry, model_synthetic, more))


def model_changed(entry: ModelChanged, *, source_synthetic: bool) -> bytes:
    """The status record of a change of the model: it is of no run."""
    synthetic = entry.after.manifest.synthetic
    return pack(
        {
            "v": 1,
            "type": "status",
            "event": "model_changed",
            **origin(model_synthetic=synthetic, source_synthetic=source_synthetic),
            "why": entry.why,
            "before": entry.before.describe(),
            "after": entry.after.describe(),
            "swap": entry.facts,
        }
    )


def mode_of(source: str | None) -> Mode:
    """Whether gaps are possible; see `Mode`."""
    return "lossless" if source is None else "best-effort"


def origin(*, model_synthetic: bool, source_synthetic: bool) -> dict[str, bool]:
    """What every record says of simulation: `synthetic` where the model or the microscope is simulated, and which."""
    return {
        "synthetic": model_synthetic or source_synthetic,
        "model_synthetic": model_synthetic,
        "source_synthetic": source_synthetic,
    }


@dataclass(frozen=True, slots=True)
class Wording:
    """A summary's text, and who worded it.

    Attributes:
        text: One line.
        style: One of the styles of `engine.summary`.
        language: Two letters.
        source: The template's, or a language model's bound by a grammar or judged by the verifier.
        of_offset: Of the template's record with the same facts; None for that record itself.
        llm: `name`, `sha256` and `binding` of the language model; None for the template.
        seconds: How long that model took; None likewise.
    """

    text: str
    style: str = "bedside"
    language: str = "en"
    source: Literal["template", "llm-grammar", "llm-free"] = "template"
    of_offset: int | None = None
    llm: Mapping[str, str] | None = None
    seconds: float | None = None


def summary(start: Start, scope: str, wording: Wording, facts: dict[str, Any]) -> bytes:
    """One summary record; `scope` is ``window``, ``part`` or ``run``, `facts` say what is synthetic."""
    of_model = bool(facts["model_synthetic"])
    return pack(
        {
            "v": 1,
            "type": "summary",
            "scope": scope,
            "run": start.run,
            "instrument": start.instrument,
            **origin(model_synthetic=of_model, source_synthetic=start.synthetic),
            **asdict(wording),
            "facts": facts,
        }
    )


def worded(template: Mapping[str, Any], wording: Wording) -> bytes:
    """The same summary in other words; `template` is the record whose offset the wording names."""
    return pack({**template, **asdict(wording)})


def _started(event: str, entry: RunStarted, model_synthetic: bool) -> dict[str, Any]:
    more = {
        "source": entry.source,
        "start": entry.start.model_dump(mode="json"),
        "channel_map": entry.channel_map,
    }
    return _status(event, entry, model_synthetic, more)


def _status(
    event: str, entry: RunStarted | RunEnded, model_synthetic: bool, more: dict[str, Any]
) -> dict[str, Any]:
    start = entry.start
    run = {"run": start.run, "instrument": start.instrument, "mode": mode_of(entry.source)}
    simulated = origin(model_synthetic=model_synthetic, source_synthetic=start.synthetic)
    return {"v": 1, "type": "status", "event": event, **run, **simulated, **more}


def _view(passage: Passage, prepared: Prepared) -> FieldOfView:
    start = passage.arrival.start
    x_um, y_um, _ = passage.arrival.stage_um
    stage_um = (x_um, y_um) if x_um is not None and y_um is not None else None
    return FieldOfView(prepared.factor, start.pixel_size_um, (start.height, start.width), stage_um)


def _meta(passage: Passage, model: ServedModel) -> dict[str, Any]:
    arrival, prepared = passage.arrival, passage.prepared
    return {
        "run": arrival.start.run,
        "instrument": arrival.start.instrument,
        "mode": mode_of(arrival.source),
        "frame_seq": arrival.frame_seq,
        "received_utc_ns": arrival.received_utc_ns,
        "received_monotonic_ns": round(arrival.received_s * 1e9),
        "source_utc_ns": arrival.source_utc_ns,
        "stage_um": list(arrival.stage_um),
        "exposure_ms": arrival.exposure_ms,
        "shots": list(arrival.start.shots if arrival.shots is None else arrival.shots),
        "channel_map": _channel_map(arrival.start, prepared),
        "field": asdict(prepared.field) if prepared else {},
        "flags": _flags(prepared) if prepared else {},
        "model": model.describe(passage.engines),
        **origin(
            model_synthetic=model.manifest.synthetic, source_synthetic=arrival.start.synthetic
        ),
    }


def _flags(prepared: Prepared) -> dict[str, float | bool | str | None]:
    return {
        "four_shot_residual": prepared.four_shot_residual,
        **asdict(prepared.flags),
        "orientation": prepared.orientation,
    }


def _channel_map(start: Start, prepared: Prepared | None) -> dict[str, str] | None:
    if prepared is None or prepared.true_shots is None:
        return None
    return told_map(start, prepared.true_shots)


def _timing_ms(passage: Passage, now_s: float) -> dict[str, float]:
    """How long each stage took, and all of it up to here; only that for a frame that was not prepared."""
    timing_s = {**stages_s(passage), "total": now_s - passage.arrival.received_s}
    return {stage: _ms(seconds) for stage, seconds in timing_s.items()}


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
