"""A channel map renames what START announced, and only for the instrument it is of."""

from collections.abc import Callable

import pytest

from phenostream.daemon.channel_map import NO_MAPS, ChannelMap, ChannelMaps, told_map, true_shots
from phenostream.daemon.wire.ingest import Start

SWAPPED: ChannelMaps = {"scope": ChannelMap(left="right", right="left")}


@pytest.mark.parametrize(
    ("shots", "truths"),
    [
        (("left", "right", "top", "bottom"), ("right", "left", "top", "bottom")),
        (("top", "left", "bottom", "right"), ("top", "right", "bottom", "left")),
        (("left", "right"), ("right", "left")),
        (("top",), ("top",)),
    ],
)
def test_shots_are_renamed_in_the_order_of_the_data(
    make_start: Callable[..., Start], shots: tuple[str, ...], truths: tuple[str, ...]
) -> None:
    assert true_shots(make_start(shots=shots), SWAPPED) == truths


def test_another_instrument_is_wired_as_it_says(make_start: Callable[..., Start]) -> None:
    start = make_start(instrument="other")
    assert true_shots(start, SWAPPED) == true_shots(start, NO_MAPS) == start.shots


def test_records_tell_a_map_only_where_something_differs(make_start: Callable[..., Start]) -> None:
    start = make_start(shots=("top", "left", "right", "bottom"))
    assert told_map(start, start.shots) is None
    told = {"top": "top", "left": "right", "right": "left", "bottom": "bottom"}
    assert told_map(start, true_shots(start, SWAPPED)) == told
