"""Run ids against RFC 9562."""

import time
import uuid

import pytest

from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.ingest import Hello


def test_it_is_a_version_7_uuid_of_now_that_the_wire_takes() -> None:
    before = time.time_ns() // 1_000_000
    text = new_run_id()
    made = uuid.UUID(text)
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1
    assert Hello(instrument="a", run=text).run == text


def test_ids_rise_and_never_repeat() -> None:
    made = [new_run_id() for _ in range(2000)]
    assert made == sorted(set(made))


def test_ids_rise_also_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_run_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert new_run_id() > first
