"""Gathers the crops of whole frames into batches that leave when full, or at one deadline.

The deadline belongs to the batch: the arrival of its oldest cell plus ``max_wait_s``. Pure: time is a parameter, there
is no thread and no lock; the one thread that owns a batcher asks `deadline` how long it may sleep.
"""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from phenostream.engine.errors import BadConfig
from phenostream.engine.types import F32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """Where some cells of one frame lie in a batch.

    Attributes:
        token: What the caller gave with the frame.
        frame_slice: Rows of the frame's crops.
        batch_slice: The same rows in the batch.
    """

    token: T
    frame_slice: slice
    batch_slice: slice


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """One call's worth of cells; 1 <= N <= max_cells, frames in order of arrival.

    Attributes:
        images: (N, 4, 28, 28) float32, C order; may be a view of the frame's own array.
        background: (N, 4) float32, likewise.
        parts: Which rows belong to whom; they cover the batch without gaps.
    """

    images: F32
    background: F32
    parts: tuple[Part[T], ...]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(slots=True)
class _Waiting(Generic[T]):
    token: T
    images: F32
    background: F32
    arrived_s: float
    taken: int = 0


class Batcher(Generic[T]):
    """Cells wait here; not thread-safe."""

    def __init__(self, max_cells: int, max_wait_s: float) -> None:
        """Start empty.

        Args:
            max_cells: Largest batch.
            max_wait_s: Longest time the oldest cell of a batch waits for company.

        Raises:
            BadConfig: A size below 1 or a negative wait.
        """
        if max_cells < 1:
            raise BadConfig(f"max_cells {max_cells}: allowed 1 or more")
        if not max_wait_s >= 0:
            raise BadConfig(f"max_wait_s {max_wait_s}: allowed 0 or more")
        self._max_cells = max_cells
        self._max_wait_s = max_wait_s
        self._waiting: deque[_Waiting[T]] = deque()
        self._pending = 0

    @property
    def pending(self) -> int:
        """Cells that wait."""
        return self._pending

    @property
    def deadline(self) -> float | None:
        """When the waiting batch must leave, on the caller's clock; None while nothing waits."""
        return self._waiting[0].arrived_s + self._max_wait_s if self._waiting else None

    def add(self, token: T, images: F32, background: F32, now_s: float) -> list[Batch[T]]:
        """Take the crops of one frame.

        Args:
            token: Returned with every part of this frame.
            images: (n, 4, 28, 28) float32; must not change until its batches were used. n may be 0 and may exceed
                the batch size.
            background: (n, 4) float32.
            now_s: Time on the caller's monotonic clock.

        Returns:
            The batches that are full now, oldest first; what is left waits, less than one batch.
        """
        if len(images):
            self._waiting.append(_Waiting(token, images, background, now_s))
            self._pending += len(images)
        full = []
        while self._pending >= self._max_cells:
            full.append(self._take(self._max_cells))
        return full

    def poll(self, now_s: float) -> Batch[T] | None:
        """The waiting batch if its deadline has come, else None."""
        deadline = self.deadline
        return self.flush() if deadline is not None and now_s >= deadline else None

    def flush(self) -> Batch[T] | None:
        """Whatever waits, at once: for a drain, or for an idle engine."""
        return self._take(self._pending) if self._pending else None

    def _take(self, cells: int) -> Batch[T]:
        parts: list[Part[T]] = []
        images: list[F32] = []
        background: list[F32] = []
        filled = 0
        while filled < cells:
            oldest = self._waiting[0]
            take = min(cells - filled, len(oldest.images) - oldest.taken)
            rows = slice(oldest.taken, oldest.taken + take)
            parts.append(Part(oldest.token, rows, slice(filled, filled + take)))
            images.append(oldest.images[rows])
            background.append(oldest.background[rows])
            oldest.taken += take
            filled += take
            if oldest.taken == len(oldest.images):
                self._waiting.popleft()
        self._pending -= cells
        return Batch(_joined(images), _joined(background), tuple(parts))


def _joined(arrays: list[F32]) -> F32:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
