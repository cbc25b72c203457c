"""How many of the last cells the engine failed on: a single poisoned cell is counted, a share of them is a fault."""

from collections import deque
from typing import Final

_CELLS: Final = 1000
_LEAST_FAILED: Final = 5
_HIGH_SHARE: Final = 0.01


class FailedCells:
    """The last thousand cells that went through the engine, batch by batch. Owned by one lock or thread.

    Attributes:
        total: Cells that failed since the start.
    """

    def __init__(self) -> None:
        self.total = 0
        self._batches: deque[tuple[int, int]] = deque()
        self._cells = self._failed = 0

    def add(self, cells: int, failed: int) -> None:
        """Count one batch."""
        self.total += failed
        self._batches.append((cells, failed))
        self._cells, self._failed = self._cells + cells, self._failed + failed
        while self._cells - self._batches[0][0] >= _CELLS:
            cells, failed = self._batches.popleft()
            self._cells, self._failed = self._cells - cells, self._failed - failed

    def fault(self) -> str | None:
        """A line while five or more of them failed, and more than 1 %."""
        if self._failed < _LEAST_FAILED or self._failed <= _HIGH_SHARE * self._cells:
            return None
        return f"the engine failed on {self._failed} of the last {self._cells} cells"
