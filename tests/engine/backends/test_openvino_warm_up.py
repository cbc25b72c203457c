"""Every stream runs every size while loading, and one that computes something else is found before it sees a cell."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import ClassVar, cast

import numpy as np
import pytest

from phenostream.engine.backends.openvino.pieces import Piece, padded_sizes
from phenostream.engine.backends.openvino.stream import Stream
from phenostream.engine.backends.openvino.warm_up import warm_up
from phenostream.engine.backends.options import full_speed
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES, Crops

GOLDEN = 50


class Toy:
    """A stream whose outputs are the mean of a crop, but for what is wrong with the outputs of a row of a piece."""

    running: ClassVar[list["Toy"]] = []

    def __init__(self, wrong: float = 0.0, row: int = 0, size: int = 0) -> None:
        self.ran: list[Piece] = []
        self.beside = 0
        self._wrong = wrong, row, size

    def start(self, piece: Piece, images: F32, background: F32) -> None:
        assert len(images) == len(background) == GOLDEN
        self.ran.append(piece)
        self.running.append(self)
        self.beside = max(self.beside, len(self.running))
        self._mean = images.mean(axis=(1, 2, 3))

    def finish(self) -> None:
        self.running.remove(self)

    def write(self, piece: Piece, columns: Sequence[F32]) -> None:
        wrong, row, size = self._wrong
        for name, column in zip(OUTPUT_SHAPES, columns, strict=True):
            for place in range(piece.start, piece.stop):
                column[place] = self._mean[place]
            if name == "marker_z" and piece.size == size and piece.start <= row < piece.stop:
                column[row] += np.float32(wrong)


def golden() -> Crops:
    images = np.random.default_rng(0).random((GOLDEN, 4, 28, 28), np.float32)
    return Crops(images, np.ones((GOLDEN, 4), np.float32))


def warmed(*streams: Toy, steps: list[int] | None = None, max_batch: int = 32) -> None:
    def pace() -> nullcontext[None]:
        if steps is not None:
            steps.append(1)
        return nullcontext()

    warm_up(cast("list[Stream]", streams), golden(), padded_sizes(max_batch), 0.05, pace)


@pytest.mark.parametrize("max_batch", [1, 6, 32, 256])
def test_every_stream_runs_every_size_and_every_golden_crop(max_batch: int) -> None:
    one, two, steps = Toy(), Toy(), list[int]()
    warmed(one, two, steps=steps, max_batch=max_batch)
    assert one.ran == two.ran
    assert {piece.size for piece in one.ran} == set(padded_sizes(max_batch))
    assert {row for piece in one.ran for row in range(piece.start, piece.stop)} == set(
        range(GOLDEN)
    )
    assert len(steps) == len(one.ran) + len(two.ran)


@pytest.mark.parametrize(("row", "size"), [(0, 1), (11, 12), (49, 32)])
@pytest.mark.parametrize("wrong", [0.06, float("nan"), float("inf")])
def test_a_stream_that_differs_in_one_row_of_one_size_is_refused(
    row: int, size: int, wrong: float
) -> None:
    with pytest.raises(EngineFault, match=r"openvino: stream 3 differs .* in marker_z of golden"):
        warmed(Toy(), Toy(), Toy(wrong, row, size))


def test_streams_may_differ_by_what_their_precision_may() -> None:
    warmed(Toy(), Toy(0.04, 3, 4))


def test_at_full_speed_all_streams_run_at_once_and_beside_another_models_frames_one_after_the_other() -> (
    None
):
    streams = Toy(), Toy(), Toy()
    sizes = padded_sizes(32)
    warm_up(cast("list[Stream]", streams), golden(), sizes, 0.05, full_speed)
    assert max(one.beside for one in streams) == 3
    paced = Toy(), Toy()
    warmed(*paced)
    assert [one.beside for one in paced] == [1, 1]
