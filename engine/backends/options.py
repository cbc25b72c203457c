"""How a backend should use the box: what the caller fixed, then what was measured, then what is usual."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from phenostream.engine.backends.measured import Measured
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import BadConfig
from phenostream.engine.manifest import Precision

USUAL_BATCH: Final = 256
"""Most crops of a call where nobody said and nothing was measured."""
MOST_STREAMS: Final = 64

Pace = Callable[[], AbstractContextManager[object]]
"""Entered for each step of loading; it may rest when the step is over, for others to have the box."""
full_speed: Final[Pace] = nullcontext
"""The pace of a model that nobody's frames wait beside."""


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
        pace: How a backend that warms up on the cores of others loads.
    """

    streams: int
    threads: int
    max_batch: int = USUAL_BATCH
    precision: Precision | None = None
    compile: bool = False
    cache: EngineCache | None = None
    pace: Pace = full_speed

    def __post_init__(self) -> None:
        for key, value, low, high in (
            ("streams", self.streams, 1, MOST_STREAMS),
            ("threads", self.threads, self.streams, 256),
            ("max_batch", self.max_batch, 1, 4096),
        ):
            if not low <= value <= high:
                raise BadConfig(f"{key}: {value} is out of range, allowed {low} to {high}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller fixed of `BackendOptions`; None leaves it to what was measured, or to what is usual."""

    streams: int | None = None
    threads: int | None = None
    max_batch: int | None = None
    precision: Precision | None = None
    compile: bool = False
    cache: EngineCache | None = None
    pace: Pace = full_speed

    def allow(self, row: Measured) -> bool:
        """Whether a measured way is one of those that are left."""
        return self.precision in (None, row.precision) and self.streams in (None, row.streams)

    def options(self, row: Measured | None = None) -> BackendOptions:
        """All of it decided.

        Args:
            row: A measured way that the wishes allow; None: what is usual, one thread and stream a core.

        Raises:
            BadConfig: Out of range.
        """
        streams = self.streams if self.streams is not None else row.streams if row else None
        streams = streams if streams is not None else min(usable_cores(), MOST_STREAMS)
        threads = self.threads if self.threads is not None else row.threads if row else streams
        batch = self.max_batch if self.max_batch is not None else row.max_batch if row else None
        return BackendOptions(
            streams,
            threads,
            batch if batch is not None else USUAL_BATCH,
            self.precision or (row.precision if row else None),
            self.compile,
            self.cache,
            self.pace,
        )


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
