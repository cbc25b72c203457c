"""Whether the wall clock can be right: a box whose battery is empty wakes up in 1970.

Nothing is withheld for a wrong clock: durations and the order of frames come from the monotonic one. But stamps of
results, and ages of files, mean nothing then, and whoever reads them is told.
"""

import time
from datetime import UTC, datetime
from typing import Final

EARLIEST_S: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""This version was written later than that."""
LATEST_S: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


def clock_fault() -> str | None:
    """A line while the clock cannot be right."""
    now_s = time.time()
    if EARLIEST_S <= now_s < LATEST_S:
        return None
    return (
        f"clock: it says {utc_text(now_s)}, allowed {utc_text(EARLIEST_S)} to {utc_text(LATEST_S)}: the times in "
        "results are wrong until it is set (timedatectl)"
    )


def is_possible(utc_s: float) -> bool:
    """Whether something can have been written at that time."""
    return EARLIEST_S <= utc_s < LATEST_S


def utc_text(utc_s: float) -> str:
    """A time as ISO 8601 to the second; beyond what a calendar holds, as seconds."""
    try:
        return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{utc_s:.0f} s since 1970"
