"""What a process with a language model may take of the box: what others leave.

All of it is inherited by every thread that a library starts later. The process is behind all others for cores and disk,
the first to be ended when the box runs out of memory, and ended by the kernel with the thread that started it.
"""

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from phenostream.engine.errors import EngineFault

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_NICEST: Final = 19
_FIRST_TO_GO: Final = "1000"
_LIBRARIES_BYTES: Final = 1 << 30
"""Address space for what is not memory: mapped libraries, shared mappings, stacks that nobody uses."""
_MOST_WRITTEN_BYTES: Final = 1 << 20
"""Largest file it may write: what it says on standard error."""


def step_back(process: int) -> None:
    """Let a process that was just started have only cores that nobody else wants (SCHED_IDLE), as nice as can be.

    Done by who started it, so that not even its first second is at anybody's cost.
    """
    os.setpriority(os.PRIO_PROCESS, process, _NICEST)
    os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))


def take_limits(memory_bytes: int, mapped_bytes: int, parent: int) -> None:
    """Limit this process, for good.

    Args:
        memory_bytes: Memory of its own; beyond it an allocation fails.
        mapped_bytes: Of a file that it may map as well: the kernel can take these pages back at any time.
        parent: Who started it; the kernel kills this process when the thread that did so ends.

    Raises:
        EngineFault: The parent has ended already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # asked after the wish, so that an end in between is noticed
        raise EngineFault(f"process {parent} is not there or not our parent")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with suppress(OSError):  # a box that hides /proc gives up the better victim, not the model
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    _lower(resource.RLIMIT_DATA, memory_bytes)
    _lower(resource.RLIMIT_AS, memory_bytes + mapped_bytes + _LIBRARIES_BYTES)
    _lower(resource.RLIMIT_FSIZE, _MOST_WRITTEN_BYTES)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, most: int) -> None:
    """Lower a limit; one that is lower already stays."""
    _, hard = resource.getrlimit(kind)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (least, least))
