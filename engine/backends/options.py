"""How a backend should use the box."""

import os
from dataclasses import dataclass

from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import BadConfig
from phenostream.engine.manifest import Precision


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """Resources of one backend.

    Attributes:
        streams: Calls that run at the same time, 1 to 64.
        threads: Threads of all streams together, `streams` to 256.
        max_batch: Most crops a call may hold, 1 to 4096.
        precision: What to compute in; None lets the backend choose the best the device has.
        compile: Of torch on a GPU: compile the graph while loading, which takes a minute and a C compiler. Others
            compile anyway.
        cache: Where a backend may keep what it compiled; None: nowhere.
    """

    streams: int
    threads: int
    max_batch: int = 256
    precision: Precision | None = None
    compile: bool = False
    cache: EngineCache | None = None

    def __post_init__(self) -> None:
        for key, value, low, high in (
            ("streams", self.streams, 1, 64),
            ("threads", self.threads, self.streams, 256),
            ("max_batch", self.max_batch, 1, 4096),
        ):
            if not low <= value <= high:
                raise BadConfig(f"{key}: {value} is out of range, allowed {low} to {high}")


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
