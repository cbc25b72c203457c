"""Keeps the threads of a model that does not serve behind all others of the box, and lets them forward when it does.

Only threads of a runtime are put behind, never one that runs Python: one that waits for a core while it holds the
interpreter's lock holds up every frame. A runtime's threads are known by when they are born, while a model is opened;
they are the process's threads that Python did not start. Behind means so nice that a core everybody wants gives them a
thirtieth of what it gives others; with SCHED_IDLE, a box that is busy for good would never load a model.

To become less nice takes CAP_SYS_NICE, or a limit on nice that allows it (`LimitNICE=+0` of a systemd unit); where
neither is given no thread is put behind, for it could never serve.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

_TASKS: Final = "/proc/self/task"
_BEHIND: Final = 15
"""How much nicer than the daemon."""
_NICEST: Final = 19
_LEAST: Final = 5
"""How much nicer than the daemon it must be possible to be, for being behind to mean anything."""
_LOOK_S: Final = 0.005
"""Between two looks for newborn threads."""


def may_be_behind() -> bool:
    """Whether a thread of this process can be put behind all others and let forward again."""
    if _own() > _NICEST - _LEAST:
        return False
    came_back: list[bool] = []

    def try_it() -> None:
        try:
            put_behind([threading.get_native_id()])
            let_forward([threading.get_native_id()])
        except PermissionError:
            return
        came_back.append(True)

    trial = threading.Thread(target=try_it, name="try-nice", daemon=True)
    trial.start()
    trial.join()
    return bool(came_back)


def runtime_threads() -> frozenset[int]:
    """Threads of this process that Python did not start, by the system's number."""
    while True:
        alive = frozenset(int(name) for name in os.listdir(_TASKS))
        python = {thread.native_id for thread in threading.enumerate()}
        if None not in python:  # else Python is just starting one, whose number is not known yet
            return alive - python


@contextmanager
def newborn_behind(*, wanted: bool, idle: frozenset[int] = frozenset()) -> Iterator[None]:
    """Threads of runtimes that are born meanwhile are behind all others a few milliseconds later.

    Args:
        wanted: Else nothing is done.
        idle: Threads that were born before and may be taken for the same purpose: they go behind too.

    Where the body fails all of them are as before: a runtime may keep them for whatever is opened next.
    """
    if not wanted:
        yield
        return
    before, over = runtime_threads() - idle, threading.Event()
    behind: set[int] = set()

    def watch() -> None:
        while not over.wait(_LOOK_S):
            born = runtime_threads() - before - behind
            put_behind(born)
            behind.update(born)

    watcher = threading.Thread(target=watch, name="newborn-behind", daemon=True)
    watcher.start()
    try:
        yield
    except BaseException:
        over.set()
        watcher.join()
        let_forward(behind)
        raise
    finally:
        over.set()
        watcher.join()


def put_behind(threads: Iterable[int]) -> None:
    """Let these threads have what others leave of a core; only where `may_be_behind`."""
    _become(threads, min(_own() + _BEHIND, _NICEST))


def let_forward(threads: Iterable[int]) -> None:
    """Make these threads like the daemon's others."""
    _become(threads, _own())


def _become(threads: Iterable[int], nice: int) -> None:
    for number in threads:
        try:
            os.setpriority(os.PRIO_PROCESS, number, nice)
        except ProcessLookupError:  # it has ended
            continue


def _own() -> int:
    """How nice the daemon is: its first thread."""
    return os.getpriority(os.PRIO_PROCESS, os.getpid())
