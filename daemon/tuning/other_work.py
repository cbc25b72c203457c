"""How much of the cores' time goes to other processes, or to other machines on the host: what disturbs a timing."""

import os
import time
from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/stat")
_IDLE: Final = (3, 4)
"""Columns of a core in which it did nothing: idle, and waiting for a disk."""
_GUESTS: Final = 8
"""From this column on, time is counted a second time."""


class OtherWork:
    """Counts from when it is made; of the cores that this process may use."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._busy_s, self._own_s = _busy_s(), time.process_time()

    def share(self) -> float:
        """Of these cores' time since then, what was not ours, 0 to 1; 0 where the kernel does not tell."""
        whole_s = (time.monotonic() - self._began_s) * len(os.sched_getaffinity(0))
        busy_s = _busy_s() - self._busy_s
        others_s = busy_s - (time.process_time() - self._own_s)
        return min(max(others_s / whole_s, 0.0), 1.0) if whole_s > 0 and busy_s > 0 else 0.0


def _busy_s() -> float:
    """Seconds that the cores this process may use have been busy, and those that their host took from them."""
    cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    try:
        lines = [line.split() for line in _STAT.read_text().splitlines()]
    except OSError:
        return 0.0
    ticks = sum(
        int(ticks)
        for name, *columns in (line for line in lines if line)
        if name in cores
        for number, ticks in enumerate(columns[:_GUESTS])
        if number not in _IDLE
    )
    return ticks / os.sysconf("SC_CLK_TCK")
