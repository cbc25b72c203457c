"""How this process keeps memory: blocks as large as a frame stay with it instead of going back to the kernel.

By default glibc maps every block of 32 MiB and more afresh and unmaps it when it is freed, and unmaps a thread's arena
when it empties, so that each 32 MiB frame costs 8,192 page faults: more time than copying it. In one arena that keeps
what it has they cost none. What is kept is bounded by what was in use at once.
"""

import ctypes
import logging
from typing import Final

logger = logging.getLogger(__name__)

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
_M_ARENA_MAX: Final = -8
_KEPT_BYTES: Final = 1 << 30


def keep_large_blocks() -> bool:
    """Tell glibc's allocator, before the threads start; False on another C library, which only costs time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEPT_BYTES))
    refused = [parameter for parameter, value in settings if not mallopt(parameter, value)]
    if refused:
        logger.debug("mallopt refused; large frames cost page faults")
    return not refused
