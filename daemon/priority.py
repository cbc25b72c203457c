"""Keeps the threads of a model that does not serve behind all others of the box, and lets them forward when it does.

Only threads of a runtime are put behind, never one that runs Python: an idle thread that holds the interpreter's lock,
on a box whose cores are busy, holds up every frame. A runtime's threads are known by when they are born, while a model
is opened; they are the process's threads that Python did not start.

To leave SCHED_IDLE takes CAP_SYS_NICE, or a limit on nice of 0 or better (`LimitNICE=+0` of a systemd unit); where
neither is given no thread is put behind, for it could never serve.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

_TASKS: Final = "/proc/self/task"
_NORMAL: Final = os.SCHED_OTHER
_IDLE: Final = os.SCHED_IDLE
_LOOK_S: Final = 0.005
"""Between two looks for newborn threads."""


def may_be_behind() -> bool:
    """Whether a thread of this process can be put behind all others and let forward again."""
    came_back: list[bool] = []

    def try_it() -> None:
        if os.sched_getscheduler(0) != _NORMAL:
            return  # the whole daemon was started behind others: there is nothing to come back to
        try:
            _enter(0, _IDLE)
            _enter(0, _NORMAL)
        except OSError:
            return
        came_back.append(True)

    trial = threading.Thread(target=try_it, name="try-idle", daemon=True)
    trial.start()
    trial.join()
    return bool(came_back)


def runtime_threads() -> frozenset[int]:
    """Threads of this process that Python did not start, by the system's number."""
    python = {thread.native_id for thread in threading.enumerate()}
    return frozenset(int(name) for name in os.listdir(_TASKS)) - python


@contextmanager
def newborn_behind(*, wanted: bool) -> Iterator[None]:
    """Threads of runtimes that are born meanwhile are behind all others a few milliseconds later."""
    if not wanted:
        yield
        return
    before, over = runtime_threads(), threading.Event()

    def watch() -> None:
        seen = before
        while not over.wait(_LOOK_S):
            born = runtime_threads() - seen
            put_behind(born)
            seen |= born

    watcher = threading.Thread(target=watch, name="newborn-behind", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def put_behind(threads: Iterable[int]) -> None:
    """Let these threads run only when nobody else wants the core; only where `may_be_behind`."""
    _enter_all(threads, _IDLE)


def let_forward(threads: Iterable[int]) -> None:
    """Make these threads normal ones."""
    _enter_all(threads, _NORMAL)


def _enter_all(threads: Iterable[int], policy: int) -> None:
    for number in threads:
        try:
            _enter(number, policy)
        except ProcessLookupError:  # it has ended
            continue


def _enter(thread: int, policy: int) -> None:
    os.sched_setscheduler(thread, policy, os.sched_param(0))
