"""Threads that begin behind others are let forward; where that could not be undone nothing is put behind."""

import os
import threading

import pytest

from phenostream.daemon.swap import priority

can = pytest.mark.skipif(
    not priority.may_be_idle(), reason="this process may not take a thread out of SCHED_IDLE"
)


@can
def test_a_thread_that_begins_in_an_idle_one_is_idle_until_all_are_let_forward() -> None:
    over, begun = threading.Event(), threading.Event()
    numbers: list[int] = []

    def runtime() -> None:
        numbers.append(threading.get_native_id())
        begun.set()
        over.wait(10)

    thread = threading.Thread(target=runtime, daemon=True)
    with priority.idle():
        assert os.sched_getscheduler(0) == os.SCHED_IDLE
        thread.start()
        assert begun.wait(10)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert priority.idle_threads() == numbers
    assert priority.let_forward() == 1
    assert os.sched_getscheduler(numbers[0]) == os.SCHED_OTHER
    assert priority.let_forward() == 0
    over.set()
    thread.join(10)


def test_where_there_is_no_way_back_no_thread_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def refuse(thread: int, policy: int, param: object) -> None:
        asked.append((thread, policy))
        if policy == os.SCHED_OTHER:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not priority.may_be_idle()
    assert asked == [(0, os.SCHED_IDLE), (0, os.SCHED_OTHER)]
    with priority.idle(wanted=False):
        pass
    assert len(asked) == 2


def test_a_daemon_that_runs_behind_others_as_a_whole_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getscheduler", lambda thread: os.SCHED_IDLE)
    assert not priority.may_be_idle()
