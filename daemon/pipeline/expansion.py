"""Compressed counts on their way: decoded by threads of their own between the ingest and the prepare thread.

A frame begins to be expanded when it enters the queue to the prepare thread, whose bound is the bound of what is
expanded at once; it leaves in its place, so raw frames take no step more than without this. What does not decode is
kept as it came.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, NamedTuple

import numpy as np

from phenostream.daemon.channel import BEAT_S
from phenostream.daemon.wire.encoding import unpack_counts
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.types import Frame

_THREADS: Final = 2


class Packed(NamedTuple):
    """A data part still as the source encoded it, its header checked: a whole frame, or one shot.

    Attributes:
        shots: How many shots it decodes to.
    """

    header: dict[str, Any]
    data: memoryview
    shots: int


class Expanding:
    """One frame that is being decoded; its parts stay as they came until it is prepared."""

    def __init__(
        self, parts: Sequence[Frame | Packed], counts: "Future[tuple[Frame, ...]]"
    ) -> None:
        """Made by `Expander`."""
        self.parts = parts
        self._counts = counts

    def counts(self, beat: Callable[[], None]) -> tuple[Frame, ...]:
        """One (H, W) array per shot; waits for the decoder and calls `beat` meanwhile.

        Raises:
            BadFrame: A part does not decode to what its header and START say.
        """
        while not self._counts.done():
            wait([self._counts], BEAT_S)
            beat()
        return self._counts.result()


class Expander:
    """The decoding threads; they start with the first compressed frame."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._pool = ThreadPoolExecutor(_THREADS, "expand")

    def expand(self, start: Start, parts: Sequence[Frame | Packed]) -> Expanding:
        """Begin to decode a frame; returns at once."""
        return Expanding(parts, self._pool.submit(_expanded, start, parts))

    def close(self) -> None:
        """Wait for what is being decoded; drop what has not begun."""
        self._pool.shutdown(cancel_futures=True)


def shot_arrays(start: Start, data: memoryview) -> tuple[Frame, ...]:
    """Plain counts, C order (shot, row, column), as one (H, W) view a shot; the views keep the memory alive."""
    dtype = np.dtype(np.uint8 if start.dtype == "u8" else "<u2")
    return tuple(np.frombuffer(data, dtype).reshape(-1, start.height, start.width))


def _expanded(start: Start, parts: Sequence[Frame | Packed]) -> tuple[Frame, ...]:
    counts: list[Frame] = []
    for part in parts:
        if isinstance(part, Packed):
            plain = unpack_counts(part.data, part.shots * start.shot_bytes)
            counts += shot_arrays(start, plain.data)
        else:
            counts.append(part)
    return tuple(counts)
