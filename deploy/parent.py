"""Ending with the process that started us: a daemon of `demo` or `bench` never outlives it, not even after kill -9."""

import ctypes
import os
import signal
from typing import Final

from phenostream.engine.errors import EngineFault

_PR_SET_PDEATHSIG: Final = 1


def end_with(parent: int) -> None:
    """Ask the kernel (Linux) for SIGTERM when the thread of `parent` that started this process ends.

    Raises:
        EngineFault: `parent` has ended already, or is not our parent.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # asked after the wish, so that an end in between is noticed
        raise EngineFault(f"--with-parent {parent}: that process is not there or not our parent")
