"""Threads of a runtime are put behind others and let forward; where that could not be undone nothing is put behind."""

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from phenostream.daemon import priority

can = pytest.mark.skipif(
    not priority.may_be_behind(), reason="this process may not take a thread out of SCHED_IDLE"
)
_LIBC = ctypes.CDLL(None)


@contextmanager
def native_thread() -> Iterator[int]:
    """A thread that Python did not start; it waits for a semaphore of the C library."""
    before = priority.runtime_threads()
    semaphore, handle = ctypes.create_string_buffer(64), ctypes.c_ulong()
    assert _LIBC.sem_init(semaphore, 0, 0) == 0
    body = ctypes.cast(_LIBC.sem_wait, ctypes.c_void_p)
    assert _LIBC.pthread_create(ctypes.byref(handle), None, body, semaphore) == 0
    (number,) = priority.runtime_threads() - before
    try:
        yield number
    finally:
        _LIBC.sem_post(semaphore)
        _LIBC.pthread_join(handle, None)


def becomes(number: int, policy: int) -> bool:
    deadline_s = time.monotonic() + 10
    while os.sched_getscheduler(number) != policy:
        if time.monotonic() > deadline_s:
            return False
    return True


@can
def test_a_runtimes_thread_is_put_behind_and_let_forward_and_one_of_pythons_is_not() -> None:
    over = threading.Event()
    mine = threading.Thread(target=over.wait, args=(20,), daemon=True)
    with priority.newborn_behind(wanted=True):
        mine.start()
        with native_thread() as number:
            assert becomes(number, os.SCHED_IDLE)
            assert mine.native_id is not None
            assert os.sched_getscheduler(mine.native_id) == os.SCHED_OTHER
            assert os.sched_getscheduler(0) == os.SCHED_OTHER
            priority.let_forward([number])
            assert os.sched_getscheduler(number) == os.SCHED_OTHER
            priority.put_behind([number])
            assert os.sched_getscheduler(number) == os.SCHED_IDLE
    priority.let_forward([number])  # it has ended: nothing happens
    over.set()
    mine.join(10)


def test_where_there_is_no_way_back_no_thread_is_put_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []

    def refuse(thread: int, policy: int, param: object) -> None:
        asked.append((thread, policy))
        if policy == os.SCHED_OTHER:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not priority.may_be_behind()
    assert asked == [(0, os.SCHED_IDLE), (0, os.SCHED_OTHER)]
    with priority.newborn_behind(wanted=False), native_thread():
        pass
    assert len(asked) == 2


def test_a_daemon_that_runs_behind_others_as_a_whole_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getscheduler", lambda thread: os.SCHED_IDLE)
    assert not priority.may_be_behind()
