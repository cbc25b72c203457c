"""What this process has counted since it began: where the time of its frames went, what became of them and their cells.

Counters only, and plain values when told: who reads twice knows what happened in between. Written by the commit thread,
when a record is on disk and published, and read by any. What the whole journal holds, the ledger counts.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

import numpy as np

from phenostream.daemon.ledger import reason_code
from phenostream.daemon.pipeline.entries import Passage
from phenostream.daemon.pipeline.records import FrameEnd, stages_s
from phenostream.engine.postprocess import CLASSIFIED

BOUNDS_S: Final = (
    *(2e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 7.5e-3, 1e-2, 1.5e-2, 2e-2, 3e-2, 5e-2),
    *(7.5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)
"""Upper bounds of the buckets, s: closest where the latency goal lies (3 ms) and where a large frame takes its time."""
STAGES: Final = ("queue", "prepare", "wait", "infer", "commit", "total")
CELLS: Final = ("found", "edge", "rejected", "over_limit", "failed", "ood")
_MOST_REASONS: Final = 64
_OTHER: Final = "other"


class Histogram:
    """Durations, counted by upper bounds. Belongs to one thread or lock."""

    def __init__(self, bounds_s: Sequence[float] = BOUNDS_S) -> None:
        """Start empty; `bounds_s` rise."""
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one; a bound belongs to the bucket below it."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def told(self) -> dict[str, Any]:
        """`count`, `sum_s` and `buckets`: [upper bound in s, how many up to it]; those above the last only count."""
        buckets, so_far = [], 0
        for bound_s, count in zip(self._bounds_s, self._counts, strict=False):
            so_far += count
            buckets.append([bound_s, so_far])
        return {
            "count": so_far + self._counts[-1],
            "sum_s": round(self._sum_s, 6),
            "buckets": buckets,
        }


class Meters:
    """All of them; one lock."""

    def __init__(self, classes: Sequence[str] = ()) -> None:
        """Start at nothing.

        Args:
            classes: Names, in the order of the column ``class``; those of a model that takes this one's place are the
                same.
        """
        self._lock = Lock()
        self._names = tuple(classes)
        self._stages = {stage: Histogram() for stage in STAGES}
        self._frames: Counter[str] = Counter()
        self._cells: Counter[str] = Counter()
        self._classes = np.zeros(len(self._names), np.int64)
        self._syncs = Histogram()
        self._records = self._bytes = 0

    def committed(self, ended: Sequence[tuple[Passage, FrameEnd]], now_s: float) -> None:
        """Frames have their fates on disk and are published.

        Args:
            ended: Those of one group, and what their records say.
            now_s: Monotonic clock, when the last of them was published.
        """
        with self._lock:
            for passage, end in ended:
                self._count_frame(end)
                if end.fate == "published":
                    self._count_cells(end)
                    self._time(passage, now_s)

    def synced(self, records: int, size: int, took_s: float) -> None:
        """One fdatasync of the journal has returned, which made `records` of `size` bytes durable."""
        with self._lock:
            self._syncs.add(took_s)
            self._records += records
            self._bytes += size

    def told(self) -> dict[str, Any]:
        """All of them as plain values; see docs/wire.md."""
        with self._lock:
            classes = dict(zip(self._names, self._classes.tolist(), strict=True))
            return {
                "stages": {name: stage.told() for name, stage in self._stages.items()},
                "frames_by_reason": dict(self._frames),
                "cells": {**{name: self._cells[name] for name in CELLS}, "classes": classes},
                "commit": {
                    "fdatasync": self._syncs.told(),
                    "records": self._records,
                    "bytes": self._bytes,
                },
            }

    def _count_frame(self, end: FrameEnd) -> None:
        name = end.fate if end.fate == "published" else f"{end.fate}.{reason_code(end.reason)}"
        if name not in self._frames and len(self._frames) >= _MOST_REASONS:
            name = f"{end.fate}.{_OTHER}"
        self._frames[name] += 1

    def _count_cells(self, end: FrameEnd) -> None:
        classified = end.columns["status"].array == CLASSIFIED
        kinds = end.columns["class"].array[classified]
        self._classes += np.bincount(kinds, minlength=len(self._names))[: len(self._names)]
        self._cells["ood"] += int(end.columns["ood"].array[classified].sum())
        for name in CELLS[:-1]:
            self._cells[name] += end.cells[name]

    def _time(self, passage: Passage, now_s: float) -> None:
        """Where a published frame's time went; the stages add up to the total."""
        for stage, seconds in stages_s(passage).items():
            self._stages[stage].add(seconds)
        self._stages["commit"].add(now_s - passage.inferred_s)
        self._stages["total"].add(now_s - passage.arrival.received_s)
