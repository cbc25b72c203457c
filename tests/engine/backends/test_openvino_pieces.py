"""Batches are cut into pieces of a few sizes, and nothing of that shows in the pieces' rows."""

import pytest

from phenostream.engine.backends.openvino.pieces import (
    LARGEST,
    cut,
    most_pieces,
    padded_size,
    padded_sizes,
)


@pytest.mark.parametrize("streams", range(1, 5))
def test_pieces_hold_every_row_once_and_have_usual_sizes(streams: int) -> None:
    for count in range(1, 300):
        pieces = cut(count, streams)
        assert [piece.start for piece in pieces] == [0, *(piece.stop for piece in pieces[:-1])]
        assert pieces[-1].stop == count
        assert {piece.size for piece in pieces} <= set(padded_sizes(256))
        assert all(piece.stop - piece.start <= piece.size for piece in pieces)


@pytest.mark.parametrize(
    ("count", "streams", "sizes"),
    [
        (1, 1, [1]),
        (3, 2, [4]),
        (16, 1, [16]),
        (16, 2, [8, 8]),
        (20, 2, [12, 8]),
        (33, 1, [20, 16]),
        (64, 2, [32, 32]),
        (256, 2, [32] * 8),
    ],
)
def test_streams_get_shares_of_about_the_same_size(
    count: int, streams: int, sizes: list[int]
) -> None:
    assert [piece.size for piece in cut(count, streams)] == sizes


def test_a_piece_is_padded_to_the_next_of_a_few_sizes() -> None:
    sizes = [padded_size(count) for count in range(1, LARGEST + 1)]
    assert all(size >= count for count, size in enumerate(sizes, start=1))
    assert padded_sizes(256) == sorted(set(sizes)) == [1, 2, 4, 8, 12, 16, 20, 24, 28, 32]
    assert padded_sizes(6) == [1, 2, 4, 8]


def test_a_small_batch_is_left_to_one_stream() -> None:
    assert [most_pieces(count) for count in (1, 15, 16, 31, 32)] == [1, 1, 2, 3, 4]
