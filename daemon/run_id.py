"""Run ids: UUID version 7 (RFC 9562, section 5.7), so that ids sort by the time a run began.

Knows one clock reading and 74 random bits; two ids of one process never go back in order, also within a millisecond.
"""

import secrets
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def new_run_id() -> str:
    """A fresh run id as lower-case text, greater than every id this process made before. Any thread.

    Layout, high bits first: 48 bit Unix time in ms, version 7, 12 random bits, variant 10, 62 random bits.
    """
    global _last
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80
    value |= 7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    with _lock:
        if (
            value <= _last
        ):  # same millisecond, or the clock stepped back: count on in the lowest field
            value = _last + 1
        _last = value
    return str(uuid.UUID(int=value))
