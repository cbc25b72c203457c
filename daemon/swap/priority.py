"""Keeps the threads of a model that does not serve behind all others of the box, and lets them forward when it does.

A thread begins with the policy of the one that starts it, so a runtime that is loaded by an idle thread has idle
threads. Python itself must not run there for long: an idle thread that holds the interpreter's lock holds up everybody.
To leave SCHED_IDLE takes CAP_SYS_NICE, or a limit on nice of 0 or better (`LimitNICE=+0` of a systemd unit); where
neither is given no thread is made idle, for it could never serve.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TASKS: Final = "/proc/self/task"
_NORMAL: Final = os.SCHED_OTHER
_IDLE: Final = os.SCHED_IDLE
_ROUNDS: Final = 4
"""Looks for idle threads: one that is idle may start another while they are gone through."""


def may_be_idle() -> bool:
    """Whether a thread of this process can become idle and come back."""
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


@contextmanager
def idle(*, wanted: bool = True) -> Iterator[None]:
    """The calling thread, and those that begin in it, behind all others meanwhile; only where `may_be_idle`."""
    if wanted:
        _enter(0, _IDLE)
    try:
        yield
    finally:
        if wanted:
            _enter(0, _NORMAL)


def idle_threads() -> list[int]:
    """Threads of this process that are idle, by the system's number."""
    found = []
    for name in os.listdir(_TASKS):
        try:
            if os.sched_getscheduler(int(name)) == _IDLE:
                found.append(int(name))
        except OSError:  # it has ended
            continue
    return found


def let_forward() -> int:
    """Make every idle thread of this process a normal one; how many there were."""
    count = 0
    for _ in range(_ROUNDS):
        threads = idle_threads()
        if not threads:
            break
        for number in threads:
            try:
                _enter(number, _NORMAL)
            except ProcessLookupError:  # it has ended
                continue
            count += 1
    return count


def _enter(thread: int, policy: int) -> None:
    os.sched_setscheduler(thread, policy, os.sched_param(0))
