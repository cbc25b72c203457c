"""A set of frame numbers that stays small while they come in order."""

from bisect import bisect_right
from collections.abc import Iterable


class SequenceSet:
    """Numbers from 0 as sorted, disjoint, half-open intervals: one interval while there is no gap."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._count = 0

    @classmethod
    def of(cls, intervals: Iterable[tuple[int, int]]) -> "SequenceSet":
        """The set of sorted, disjoint, half-open intervals that do not touch; ValueError where they are not."""
        numbers, end = cls(), -1
        for start, stop in intervals:
            if not end < start < stop:
                raise ValueError(f"interval {start} to {stop} after {end}")
            numbers._starts.append(start)
            numbers._ends.append(stop)
            numbers._count += stop - start
            end = stop
        return numbers

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._ends[at]

    def add(self, number: int) -> bool:
        """Add a number; False when it was there."""
        at = bisect_right(self._starts, number)
        if at and number < self._ends[at - 1]:
            return False
        self._count += 1
        joins_left = at > 0 and self._ends[at - 1] == number
        joins_right = at < len(self._starts) and self._starts[at] == number + 1
        if joins_left and joins_right:
            self._ends[at - 1] = self._ends.pop(at)
            del self._starts[at]
        elif joins_left:
            self._ends[at - 1] = number + 1
        elif joins_right:
            self._starts[at] = number
        else:
            self._starts.insert(at, number)
            self._ends.insert(at, number + 1)
        return True

    @property
    def prefix(self) -> int:
        """How many numbers from 0 on are there without a gap."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    @property
    def end(self) -> int:
        """The highest number plus one; 0 when empty."""
        return self._ends[-1] if self._ends else 0

    def pairs(self) -> list[tuple[int, int]]:
        """Its intervals; see `of`."""
        return list(zip(self._starts, self._ends, strict=True))

    @property
    def intervals(self) -> int:
        """Number of intervals held: what this set costs in memory."""
        return len(self._starts)
