"""What two statuses of one daemon say of the time between them: rates, where the time went, shares of the cells.

Pure: statuses in, numbers out. Whatever a status lacks, because an older daemon told it, is not shown.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from phenostream.daemon.monitor.reading import number, table

Told = Mapping[str, Any]

STAGES: Final = ("queue", "prepare", "wait", "infer", "commit", "total")
_OF_NO_CLASS: Final = ("rejected", "edge", "over_limit", "failed", "ood")
_KEPT: Final = ("uptime_s", "meters")
"""Of a status that is not the newest any more."""
_COUNTED: Final = (
    ("meters", "commit", "records"),
    ("meters", "frames_by_reason", "published"),
    ("meters", "stages", "total", "count"),
)
"""Of a process, that never fall."""
_NOTHING: Final[Told] = {}


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, s.

    Attributes:
        count: How often.
        mean_s: NaN where it never happened.
        p50_s: Half of them took so long or less: the upper bound of a bucket; inf beyond the last.
        p99_s: Likewise 99 of 100.
    """

    count: int
    mean_s: float = math.nan
    p50_s: float = math.nan
    p99_s: float = math.nan


@dataclass(frozen=True, slots=True)
class Share:
    """Of the cells, how many are of one kind; NaN where there are none."""

    name: str
    lately: float
    all_along: float


@dataclass(frozen=True, slots=True)
class Rates:
    """What happens in a second; NaN where nothing is known yet."""

    frames: float = math.nan
    cells: float = math.nan
    journal_bytes: float = math.nan


class Readings:
    """The statuses of the last seconds, so that rates are those of now and no single second's."""

    def __init__(self, window_s: float) -> None:
        """Know nothing.

        Args:
            window_s: Over which rates are taken, by the daemon's own clock.
        """
        self._window_s = window_s
        self._statuses: deque[Told] = deque()

    def add(self, status: Told) -> None:
        """Take the newest status; one of another process than those before begins anew."""
        uptime_s = _uptime_s(status)
        if self._statuses and _began_anew(self._statuses[-1], status):
            self._statuses.clear()
        if self._statuses:
            before = self._statuses.pop()
            self._statuses.append({key: before[key] for key in _KEPT if key in before})
        self._statuses.append(status)
        while len(self._statuses) > 2 and uptime_s - _uptime_s(self._statuses[1]) >= self._window_s:
            self._statuses.popleft()

    @property
    def newest(self) -> Told:
        """The newest status; empty before the first."""
        return self._statuses[-1] if self._statuses else _NOTHING

    @property
    def over_s(self) -> float:
        """How long ago the status is that the newest is compared with; 0 with fewer than two."""
        return _uptime_s(self.newest) - _uptime_s(self._oldest)

    def rates(self) -> Rates:
        """Of frames and cells that were published, and of what the journal took."""
        if not self.over_s:
            return Rates()
        return Rates(
            self._more("meters", "frames_by_reason", "published") / self.over_s,
            self._more("meters", "cells", "found") / self.over_s,
            self._more("meters", "commit", "bytes") / self.over_s,
        )

    def times(self, *path: str) -> Times:
        """Of the histogram at this path of the meters, since the oldest status here."""
        now = table(self.newest, "meters", *path)
        before = table(self._oldest, "meters", *path) if self.over_s else _NOTHING
        return _times(now, before)

    def shares(self) -> list[Share]:
        """Of the found cells, lately and since the daemon began: its classes, then what is of none."""
        now = table(self.newest, "meters", "cells")
        before = table(self._oldest, "meters", "cells") if self.over_s else now
        classes = [(name, ("classes", name)) for name in table(now, "classes")]
        others = [(name.replace("_", " "), (name,)) for name in _OF_NO_CLASS if name in now]
        return [
            _share(name, _counts(now, path), _counts(before, path))
            for name, path in classes + others
        ]

    @property
    def _oldest(self) -> Told:
        return self._statuses[0] if self._statuses else _NOTHING

    def _more(self, *path: str) -> float:
        return _count(self.newest, *path) - _count(self._oldest, *path)


def _counts(cells: Told, path: tuple[str, ...]) -> tuple[float, float]:
    """How many cells are of a kind, of how many found."""
    return _count(cells, *path), _count(cells, "found")


def _share(name: str, now: tuple[float, float], before: tuple[float, float]) -> Share:
    lately = _ratio(now[0] - before[0], now[1] - before[1])
    return Share(name, lately, _ratio(*now))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _times(now: Told, before: Told) -> Times:
    count = int(_count(now, "count") - _count(before, "count"))
    if count <= 0:
        return Times(0)
    mean_s = (_count(now, "sum_s") - _count(before, "sum_s")) / count
    buckets = _so_far(now)
    earlier = _so_far(before) or [(bound_s, 0) for bound_s, _ in buckets]
    between = [(bound_s, n - m) for (bound_s, n), (_, m) in zip(buckets, earlier, strict=True)]
    return Times(count, mean_s, _quantile(between, count, 0.5), _quantile(between, count, 0.99))


def _so_far(histogram: Told) -> list[tuple[float, int]]:
    return [(float(bound_s), int(n)) for bound_s, n in histogram.get("buckets", ())]


def _quantile(buckets: Sequence[tuple[float, int]], count: int, q: float) -> float:
    """The least bound that holds for a share `q` of them."""
    return next((bound_s for bound_s, n in buckets if n >= q * count), math.inf)


def _began_anew(before: Told, now: Told) -> bool:
    """Whether another process tells: it may be up for longer than the one before ever was."""
    fewer = any(_count(now, *path) < _count(before, *path) for path in _COUNTED)
    return fewer or _uptime_s(now) <= _uptime_s(before)


def _uptime_s(status: Told) -> float:
    return number(status, "uptime_s") or 0.0


def _count(status: Told, *path: str) -> float:
    """The number at a path; 0 where there is none."""
    return number(status, *path) or 0.0
