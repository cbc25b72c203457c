"""Threads of a runtime are put behind others and let forward; where that could not be undone nothing is put behind."""

import os
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from phenostream.daemon import priority
from tests.daemon.native_threads import native_thread

can = pytest.mark.skipif(
    not priority.may_be_behind(), reason="this process may not make a thread less nice again"
)


def nice(number: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, number)


def becomes(number: int, expected: int) -> bool:
    deadline_s = time.monotonic() + 10
    while nice(number) != expected:
        if time.monotonic() > deadline_s:
            return False
    return True


@can
def test_a_runtimes_thread_is_put_behind_and_let_forward_and_one_of_pythons_is_not() -> None:
    over, own = threading.Event(), nice(os.getpid())
    behind = min(own + 15, 19)
    mine = threading.Thread(target=over.wait, args=(20,), daemon=True)
    with priority.newborn_behind(wanted=True):
        mine.start()
        with native_thread() as number:
            assert becomes(number, behind)
            assert mine.native_id is not None
            assert nice(mine.native_id) == own
            assert nice(threading.get_native_id()) == own
            priority.let_forward([number])
            assert nice(number) == own
            priority.put_behind([number])
            assert nice(number) == behind
    priority.let_forward([number])  # it has ended: nothing happens
    over.set()
    mine.join(10)


@can
def test_what_goes_behind_comes_back_if_nothing_was_opened() -> None:
    own = nice(os.getpid())
    behind = min(own + 15, 19)
    with native_thread() as idle, ExitStack() as born:
        with (
            suppress(ZeroDivisionError),
            priority.newborn_behind(wanted=True, idle=frozenset({idle})),
        ):
            new = born.enter_context(native_thread())
            assert becomes(idle, behind)
            assert becomes(new, behind)
            raise ZeroDivisionError
        assert (nice(idle), nice(new)) == (own, own)


def test_a_thread_that_python_is_just_starting_is_not_taken_for_a_runtimes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unborn, looks = threading.Thread(), [[threading.Thread()]]
    assert unborn.native_id is None
    real = threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: looks.pop() if looks else real())
    assert threading.get_native_id() not in priority.runtime_threads()
    assert looks == []


def test_where_there_is_no_way_back_no_thread_is_put_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    own = 3
    monkeypatch.setattr(os, "getpriority", lambda kind, number: own)

    def refuse(kind: int, thread: int, value: int) -> None:
        asked.append(value)
        if value <= own:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "setpriority", refuse)
    assert not priority.may_be_behind()
    assert asked == [18, 3]
    with priority.newborn_behind(wanted=False), native_thread():
        pass
    assert len(asked) == 2


def test_a_daemon_that_is_nice_itself_has_no_place_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getpriority", lambda kind, number: 15)
    assert not priority.may_be_behind()
