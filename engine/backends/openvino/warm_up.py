"""Every stream runs every size of a piece once while loading, and must say what the first stream says.

The self-test asks all streams together, so that each sees only some of the golden crops; what each says of the others
is compared here. The plugin compiles for itself what a stream runs: with a graph it does not bear, a second stream
gave logits that were 3.8 off while the first one's were right.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from phenostream.engine.backends.openvino.pieces import LARGEST, Piece
from phenostream.engine.backends.openvino.stream import Stream, run_together
from phenostream.engine.backends.options import Pace, full_speed
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES, Crops

_COMPARED: Final = ("class_logits", "marker_z")


def warm_up(
    streams: Sequence[Stream], golden: Crops, sizes: Sequence[int], tolerance: float, pace: Pace
) -> None:
    """Run them all.

    Args:
        streams: Nobody else uses them meanwhile. At full speed they run at the same time, as they will.
        golden: Crops of the bundle.
        sizes: That a piece can have, in increasing order.
        tolerance: Between two streams, of class_logits and marker_z.
        pace: Of every piece.

    Raises:
        EngineFault: Two streams differ.
    """
    together = [streams] if pace is full_speed else [[stream] for stream in streams]
    for piece in _pieces(len(golden), sizes):
        said = [one for some in together for one in _run(some, golden, piece, pace)]
        for number, other in enumerate(said[1:], 2):
            _compare(said[0], other, number, tolerance)


def _pieces(count: int, sizes: Sequence[int]) -> list[Piece]:
    """One of each size, from the first crop on, and then all crops behind the largest one."""
    small = [Piece(0, min(size, count), size) for size in sizes]
    step = min(sizes[-1], LARGEST)
    rest = [Piece(start, min(start + step, count), step) for start in range(step, count, step)]
    return small + rest


def _run(streams: Sequence[Stream], golden: Crops, piece: Piece, pace: Pace) -> Iterator[list[F32]]:
    """What each says of the piece: the compared outputs, its rows only."""
    with pace():
        run_together([(one, piece) for one in streams], golden.images, golden.background)
    places = [list(OUTPUT_SHAPES).index(name) for name in _COMPARED]
    for stream in streams:
        columns = [np.empty((piece.stop, *shape), np.float32) for shape in OUTPUT_SHAPES.values()]
        stream.write(piece, columns)
        yield [columns[place][piece.start :] for place in places]


def _compare(first: list[F32], other: list[F32], number: int, tolerance: float) -> None:
    for name, one, two in zip(_COMPARED, first, other, strict=True):
        difference = float(np.abs(one - two).max())
        if not difference <= tolerance:
            raise EngineFault(
                f"openvino: stream {number} differs from the first one by {difference:.2g} in {name} of golden "
                f"crops, allowed {tolerance:g}"
            )
