"""The spans of a frame follow from its record, and their ids from its run and number alone."""

import hashlib
import uuid
from itertools import pairwise
from typing import Any

import pytest

from phenostream.daemon.monitor.spans import Span, is_sampled, span_id, spans, trace_id

RUN = "01a0b1c2-0000-7000-8000-000000000001"
RECEIVED_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def record(**changes: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "run": RUN,
        "instrument": "scope",
        "frame_seq": 42,
        "fate": "published",
        "reason": None,
        "received_utc_ns": RECEIVED_NS,
        "source_utc_ns": None,
        "timing_ms": {"queue": 1.0, "prepare": 2.0, "wait": 3.0, "infer": 4.0, "total": 10.5},
        "counts": {"found": 7, "classified": 5},
        "model": {"name": "toy", "backend": "fake"},
        "degraded": [],
        "synthetic": True,
    }
    return meta | changes


def test_ids_follow_from_the_run_and_the_frame_as_the_page_says() -> None:
    trace = trace_id(RUN, 42)
    assert trace == hashlib.sha256(uuid.UUID(RUN).bytes + bytes(7) + b"\x2a").digest()[:16]
    assert span_id(trace, "frame") == hashlib.sha256(trace + b"frame").digest()[:8]
    assert trace_id(RUN, 43) != trace


def test_stages_lie_one_after_another_within_the_frame() -> None:
    seen_ns = RECEIVED_NS + 14 * MS
    whole, *stages = spans(record(), 9, seen_ns)
    assert (whole.name, whole.parent) == ("frame", None)
    assert (whole.begin_ns, whole.end_ns) == (RECEIVED_NS, seen_ns)
    assert [span.name for span in stages] == ["queue", "prepare", "wait", "infer", "commit"]
    ends_ms = [(span.end_ns - RECEIVED_NS) // MS for span in stages]
    assert ends_ms == [1, 3, 6, 10, 14]
    assert stages[0].begin_ns == RECEIVED_NS
    assert all(one.end_ns == two.begin_ns for one, two in pairwise(stages))
    assert {span.parent for span in stages} == {whole.id}
    assert {span.trace for span in stages} == {whole.trace} == {trace_id(RUN, 42)}
    assert len({span.id for span in (whole, *stages)}) == 6


def test_a_number_that_a_collector_cannot_take_is_left_out() -> None:
    told = record(source_utc_ns=2**63, frame_seq=2**63 - 1)
    attributes = spans(told, 9, RECEIVED_NS)[0].attributes
    assert "phenostream.source_utc_ns" not in attributes
    assert attributes["phenostream.frame_seq"] == 2**63 - 1


def test_a_frame_says_what_it_was() -> None:
    attributes = spans(record(degraded=["engine"]), 9, RECEIVED_NS)[0].attributes
    assert attributes == {
        "phenostream.run": RUN,
        "phenostream.instrument": "scope",
        "phenostream.frame_seq": 42,
        "phenostream.offset": 9,
        "phenostream.fate": "published",
        "phenostream.cells_found": 7,
        "phenostream.cells_classified": 5,
        "phenostream.model": "toy",
        "phenostream.backend": "fake",
        "phenostream.degraded": "engine",
        "phenostream.synthetic": True,
    }


def test_a_frame_that_was_turned_away_is_one_span_that_failed() -> None:
    meta = record(fate="quarantined", reason="shape: (1,)", timing_ms={"total": 2.0})
    (whole,) = spans(meta, 9, RECEIVED_NS + 3 * MS)
    assert whole.failure == "quarantined: shape: (1,)"
    assert whole.end_ns == RECEIVED_NS + 3 * MS


@pytest.mark.parametrize("late_ms", [-1000, 1, 3_600_000])
def test_a_record_that_comes_before_its_time_or_hours_late_says_nothing_of_the_end(
    late_ms: int,
) -> None:
    whole: Span = spans(record(), 9, RECEIVED_NS + late_ms * MS)[0]
    assert whole.end_ns == RECEIVED_NS + 10_500_000


def test_a_frame_in_so_many_is_traced_and_each_that_was_lost() -> None:
    traced = [n for n in range(100) if is_sampled(record(frame_seq=n), 25)]
    assert traced == [0, 25, 50, 75]
    assert is_sampled(record(frame_seq=3, fate="failed"), 25)
    assert all(is_sampled(record(frame_seq=n), 1) for n in range(5))
