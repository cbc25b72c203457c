"""File descriptors: as many as the box allows, and a word before they run out.

libzmq ends the process when it cannot accept a connection of an ipc socket for want of a descriptor (its tcp sockets
wait instead); everything of ours waits or counts. So the limit is raised as far as it may be, and a process that comes
near it is degraded while there is still time to look.
"""

import logging
import os
import resource
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

ENOUGH: Final = 65536
_OWN: Final = Path("/proc/self/fd")
_HIGH_SHARE: Final = 0.8


def allow_descriptors() -> int:
    """Raise this process's limit to the hard one, or to 65536 where that is less; the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def descriptor_is_free() -> bool:
    """Whether a file could be opened just now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def descriptors_fault() -> str | None:
    """A line while more than 80 % of the descriptors are in use."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        used = len(os.listdir(_OWN))
    except FileNotFoundError:
        return None  # no /proc: nobody can tell
    except OSError as err:
        return f"none of {limit} descriptors is free: {err.strerror}"
    return f"{used} of {limit} descriptors are in use" if used > _HIGH_SHARE * limit else None
