"""Work that may wait rests nine times as long as it worked, and never longer than half a second."""

import threading
import time

import pytest

from phenostream.daemon.swap.share import Share


@pytest.mark.parametrize(("worked_s", "rests_s"), [(0.0, 0.0), (0.01, 0.09), (1.0, 0.5)])
def test_a_step_is_followed_by_its_rest(
    worked_s: float, rests_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    one = Share()
    assert one.rest_s == 0
    one.spend(worked_s)
    assert one.rest_s == pytest.approx(rests_s)
    now_s += rests_s
    assert one.rest_s == pytest.approx(0, abs=1e-9)


def test_a_step_ends_when_more_may_be_used() -> None:
    one, began_s, beat = Share(), time.monotonic(), threading.Event()
    with one.step():
        beat.wait(0.005)
    assert time.monotonic() - began_s >= 0.049
    assert one.rest_s == 0
