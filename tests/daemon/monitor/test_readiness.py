"""Ready means that frames are taken and inferred now."""

from typing import Any

import pytest

from phenostream.daemon.monitor.readiness import why_not_ready
from tests.daemon.monitor.told import STATUS

DOWN = {"backends": [{"backend": "a", "state": "down", "reason": "a: no"}]}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),  # on its fallback, and degraded
        ({"state": "ready", "faults": {}}, ""),
        ({"state": "starting"}, "state starting"),
        ({"state": "draining"}, "state draining"),
        ({"state": None}, "state None"),
        ({"faults": {"journal": "no space left"}}, "fault journal: no space left"),
        ({"faults": {"stalled": "commit"}}, "fault stalled: commit"),
        ({"faults": {"journal_keeping": "no space left"}}, ""),
        ({"inference": DOWN}, "no backend works: a: no"),
        ({"inference": {"backends": []}}, ""),
    ],
)
def test_why_frames_are_not_served(changed: dict[str, Any], why: str) -> None:
    assert why_not_ready({**STATUS, **changed}) == why


def test_a_daemon_that_does_not_answer_is_not_ready() -> None:
    assert why_not_ready(None, "nobody there") == "nobody there"
    assert why_not_ready(None) == "no answer"
