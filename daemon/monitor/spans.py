"""The trace of one frame, from its arrival to its result, made of what its record says; pure.

Ids follow from the run and the frame alone, so that a source can add spans of its own to the same trace without a word
on the wire: the trace's from `trace_id`, the parent of its spans from `span_id` of ``frame``.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Value = str | int | float | bool

ROOT: Final = "frame"
LAST: Final = "commit"
_STAGES: Final = ("queue", "prepare", "wait", "infer")
_ONE_AFTER_ANOTHER: Final = 60_000_000_000
"""Longest time, ns, by which a record may be late here and its frame still be timed by both clocks."""
_LARGEST: Final = 2**63 - 1
"""OpenTelemetry's; a source may count further."""


@dataclass(frozen=True, slots=True)
class Span:
    """One stage of a frame, or all of it.

    Attributes:
        trace: 16 bytes.
        id: 8 bytes.
        parent: 8 bytes; None for the whole frame.
        begin_ns: Wall clock of the daemon's box.
        end_ns: Likewise.
        attributes: Plain values by their names.
        failure: Why the frame was not published.
    """

    name: str
    trace: bytes
    id: bytes
    parent: bytes | None
    begin_ns: int
    end_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    failure: str | None = None


def trace_id(run: str, frame_seq: int) -> bytes:
    """16 bytes: the first of the SHA-256 of the run's 16 bytes and the frame's number, 8 bytes big-endian."""
    return hashlib.sha256(uuid.UUID(run).bytes + frame_seq.to_bytes(8, "big")).digest()[:16]


def span_id(trace: bytes, name: str) -> bytes:
    """8 bytes: the first of the SHA-256 of the trace's id and the span's name in ASCII."""
    return hashlib.sha256(trace + name.encode("ascii")).digest()[:8]


def is_sampled(meta: Mapping[str, Any], one_in: int) -> bool:
    """Whether a frame is traced: every `one_in`-th of its run by its number, and each that was not published."""
    return meta["frame_seq"] % one_in == 0 or meta.get("fate") != "published"


def spans(meta: Mapping[str, Any], offset: int, seen_ns: int) -> list[Span]:
    """The spans of a frame, the whole of it first.

    Args:
        meta: Of its record.
        offset: Of its record.
        seen_ns: Wall clock when the record came, which is when it was on disk and published, and on its way.
    """
    trace = trace_id(meta["run"], meta["frame_seq"])
    begin_ns = int(meta["received_utc_ns"])
    timing_ms: Mapping[str, float] = meta["timing_ms"]
    least_ns = begin_ns + _ns(timing_ms["total"])
    end_ns = seen_ns if least_ns <= seen_ns <= least_ns + _ONE_AFTER_ANOTHER else least_ns
    failure = None if meta["fate"] == "published" else f"{meta['fate']}: {meta['reason']}"
    root = Span(
        ROOT,
        trace,
        span_id(trace, ROOT),
        None,
        begin_ns,
        end_ns,
        dict(_attributes(meta, offset)),
        failure,
    )
    return [root, *_stages(root, timing_ms)]


def _stages(root: Span, timing_ms: Mapping[str, float]) -> Iterator[Span]:
    """One after another, as they were; none for a frame that was not prepared."""
    if "prepare" not in timing_ms:
        return
    at_ns = root.begin_ns
    for name in _STAGES:
        end_ns = at_ns + _ns(timing_ms[name])
        yield _part(root, name, at_ns, end_ns)
        at_ns = end_ns
    yield _part(root, LAST, at_ns, max(at_ns, root.end_ns))


def _part(root: Span, name: str, begin_ns: int, end_ns: int) -> Span:
    return Span(name, root.trace, span_id(root.trace, name), root.id, begin_ns, end_ns)


def _attributes(meta: Mapping[str, Any], offset: int) -> Iterator[tuple[str, Value]]:
    model: Mapping[str, Any] = meta.get("model", {})
    counts: Mapping[str, int] = meta.get("counts", {})
    told = {
        "run": meta["run"],
        "instrument": meta.get("instrument"),
        "frame_seq": meta["frame_seq"],
        "offset": offset,
        "fate": meta["fate"],
        "reason": meta["reason"],
        "cells_found": counts.get("found"),
        "cells_classified": counts.get("classified"),
        "model": model.get("name"),
        "backend": model.get("backend"),
        "degraded": ", ".join(meta.get("degraded", ())),
        "synthetic": meta.get("synthetic"),
        "source_utc_ns": meta.get("source_utc_ns"),
    }
    for name, value in told.items():
        if isinstance(value, int) and value > _LARGEST:
            continue
        if isinstance(value, Value) and value != "":
            yield f"phenostream.{name}", value


def _ns(milliseconds: float) -> int:
    return round(1e6 * milliseconds)
