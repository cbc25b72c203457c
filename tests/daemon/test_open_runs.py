"""The open runs as subscribers are told of them."""

from typing import Any

from phenostream.daemon.open_runs import COUNTS, OpenRuns


def status(run: str) -> dict[str, Any]:
    return {"event": "run_open", "run": run, "start": {"pixel_size_um": 0.2}}


def account(run: str) -> dict[str, int]:
    return {**dict.fromkeys(COUNTS, int(run)), "duplicates": 9}


def test_what_is_told_of_a_run_is_its_start_its_place_and_its_counts() -> None:
    runs = OpenRuns(2, account)
    runs.opened(40, status("3"))
    counts = dict.fromkeys(COUNTS, 3)
    assert runs.told() == [status("3") | {"first_offset": 40, "counts": counts}]
    assert runs.counts() == {"3": {"first_offset": 40, **counts}}


def test_a_run_that_ended_is_told_no_more() -> None:
    runs = OpenRuns(2, account)
    for run in "12":
        runs.opened(int(run), status(run))
    runs.ended("1")
    runs.ended("never seen")
    assert list(runs.counts()) == ["2"]


def test_the_runs_heard_last_are_told_and_a_quiet_one_comes_back_when_it_is_heard() -> None:
    runs = OpenRuns(2, account)
    for run in "123":
        runs.opened(int(run), status(run))
    assert list(runs.counts()) == ["2", "3"]
    runs.heard("1")
    runs.heard("never seen")
    assert list(runs.counts()) == ["3", "1"]
    assert [told["first_offset"] for told in runs.told()] == [3, 1]
