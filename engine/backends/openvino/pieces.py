"""How a batch is cut for the streams that are free: few sizes, none large, so that memory is flat and caches hold.

The plugin keeps prepared code and buffers for every batch size it has seen, some 5 MiB a size and stream, and beyond 32
crops a larger batch is no faster. So no piece is larger, each is padded to one of ten sizes, and all of those are run
while loading: no frame pays for a new size. Pure.
"""

from dataclasses import dataclass
from typing import Final

_STEP: Final = 4
LARGEST: Final = 32
"""Most crops of a piece."""
_WORTH_IT: Final = 8
"""Least crops of a piece where a batch could as well run whole: with fewer, a cell costs too much more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a batch that one stream runs.

    Attributes:
        start: First row.
        stop: Row behind the last.
        size: Rows that are run, those behind the last being empty.
    """

    start: int
    stop: int
    size: int


def cut(count: int, streams: int) -> list[Piece]:
    """Pieces of about the same size, as many rounds of one for each stream as it takes.

    Args:
        count: Crops, 1 or more.
        streams: That are free, 1 or more.
    """
    rounds = -(-count // (LARGEST * streams))
    share = -(-count // (rounds * streams))
    length = max(-(-share // _STEP) * _STEP, _STEP)
    starts = range(0, count, length)
    stops = [min(start + length, count) for start in starts]
    return [
        Piece(start, stop, padded_size(stop - start))
        for start, stop in zip(starts, stops, strict=True)
    ]


def padded_size(count: int) -> int:
    """The size a piece of `count` crops is padded to: 1, 2 and multiples of 4."""
    return count if count <= 2 else -(-count // _STEP) * _STEP


def most_pieces(count: int) -> int:
    """How many streams a batch can occupy with profit."""
    return max(count // _WORTH_IT, 1)


def padded_sizes(max_batch: int) -> list[int]:
    """All sizes that a batch of up to `max_batch` crops can need."""
    return sorted({padded_size(count) for count in range(1, min(max_batch, LARGEST) + 1)})
