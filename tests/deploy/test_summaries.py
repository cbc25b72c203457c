"""Which summary is the one that is asked for, among windows, runs and what a language model said of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from phenostream.daemon.client.records import Record
from phenostream.deploy.summaries import Wanted, newest_summary
from phenostream.engine.errors import BadInput
from tests.deploy.toy_summaries import A, B, a_summary


class Told:
    """Stretches of summaries, oldest first as they are written down here, given out newest first."""

    def __init__(self, *stretches: list[dict[str, Any]]) -> None:
        numbers = iter(range(1000))
        self._stretches = [
            [Record("summary", next(numbers), body) for body in s] for s in stretches
        ]
        self.read = 0

    def stretches(self, *topics: str) -> Iterator[Iterator[Record]]:
        assert topics == ("summary",)
        for stretch in reversed(self._stretches):
            self.read += 1
            yield iter(stretch)

    def lacks(self) -> list[str]:
        return []


WINDOW_A, RUN_A = a_summary(1, "window", A), a_summary(2, "run", A)
WINDOW_B = a_summary(3, "window", B)
WORDED_B = WINDOW_B | {"of_offset": 2, "source": "llm-grammar", "text": "other words"}


@pytest.mark.parametrize(
    ("wanted", "offset"),
    [
        (Wanted(), 2),
        (Wanted(run=A), 1),
        (Wanted(run=A[-8:]), 1),
        (Wanted(run=A, window=True), 0),
        (Wanted(window=True), 2),
    ],
)
def test_the_newest_that_fits_is_taken(wanted: Wanted, offset: int) -> None:
    summary = newest_summary(Told([WINDOW_A, RUN_A, WINDOW_B, WORDED_B]), wanted, "here")
    assert summary.offset == offset


def test_older_stretches_are_read_only_where_the_newer_hold_none() -> None:
    told = Told([WINDOW_A], [RUN_A], [WINDOW_B])
    assert newest_summary(told, Wanted(run=A), "here").offset == 1
    assert told.read == 2


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(run="none"), "here: holds no summary of run none"),
        (Wanted(run=B, window=True), "here: holds no summary of a window of run .*; a run that is"),
    ],
)
def test_what_is_not_there_is_one_line(wanted: Wanted, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        newest_summary(Told([RUN_A]), wanted, "here")


def test_facts_that_are_none_name_their_offset() -> None:
    with pytest.raises(BadInput, match="here: offset 0: facts: "):
        newest_summary(Told([RUN_A | {"facts": {"frames": -1}}]), Wanted(), "here")
