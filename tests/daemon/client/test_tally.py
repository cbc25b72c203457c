"""How many results of each run came, against how many there are."""

from typing import Any

import pytest

from phenostream.daemon.client.records import Record
from phenostream.daemon.client.tally import Tally
from phenostream.daemon.wire.results import FrameRecord
from phenostream.engine.errors import BadMessage


def result(run: str = "a") -> Record:
    return Record("result", 0, FrameRecord({"run": run}))


def status(event: str, **more: Any) -> Record:
    return Record("status", 0, {"run": "a", "event": event} | more)


def counts(published: int, failed: int = 0, first_offset: int = 0) -> dict[str, int]:
    rest = {"dropped": 0, "quarantined": 0, "first_offset": first_offset}
    return {"published": published, "failed": failed, **rest}


def test_what_is_missing_of_a_run_is_told_once_and_exactly() -> None:
    tally = Tally()
    tally.take(status("run_started"))
    for _ in range(3):
        tally.take(result())
    assert tally.mark({"a": counts(3, failed=2)}, 0) == [("a", 2)]
    assert tally.mark({"a": counts(3, failed=2)}, 0) == []
    tally.take(result())
    assert tally.mark({"a": counts(7, failed=2)}, 0) == [("a", 3)]


def test_the_end_of_a_run_tells_what_its_last_mark_could_not() -> None:
    tally = Tally()
    tally.take(status("run_started"))
    tally.take(result())
    assert tally.take(status("run_ended", ledger=counts(4))) == ("a", 3)


def test_of_a_run_that_began_before_only_what_came_since_is_counted() -> None:
    tally = Tally()
    assert tally.mark({"a": counts(100)}, 500) == []
    tally.take(result())
    assert tally.mark({"a": counts(103)}, 500) == [("a", 2)]


def test_a_run_that_began_behind_the_beginning_is_counted_whole_though_its_start_was_lost() -> None:
    assert Tally().mark({"a": counts(2, first_offset=7)}, 5) == [("a", 2)]


def test_nothing_is_said_of_a_run_whose_beginning_is_not_known() -> None:
    tally = Tally()
    tally.take(result())
    assert tally.take(status("run_ended", ledger=counts(9))) is None
    tally.take(status("run_started"))
    assert tally.take(status("run_ended")) is None


@pytest.mark.parametrize("runs", [None, [], {"a": None}, {"a": {"published": 1}}, {"a": "x"}])
def test_counts_that_are_none_are_refused(runs: object) -> None:
    with pytest.raises(BadMessage, match="highwater runs: "):
        Tally().mark(runs, 0)
