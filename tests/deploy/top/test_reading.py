"""Rates and times are those between two statuses of one process."""

import math

import pytest

from phenostream.deploy.top.reading import Readings, Share, Times
from tests.deploy.top.statuses import histogram, status


def readings(*statuses: dict[str, object], window_s: float = 10.0) -> Readings:
    made = Readings(window_s)
    for one in statuses:
        made.add(one)
    return made


def test_rates_are_differences_by_the_daemons_clock() -> None:
    rates = readings(status(100.0, 50), status(102.0, 90)).rates()
    assert (rates.frames, rates.cells, rates.journal_bytes) == (20.0, 200.0, 20480.0)


def test_one_status_has_no_rate() -> None:
    one = readings(status(100.0, 50))
    assert one.over_s == 0
    assert math.isnan(one.rates().frames)
    assert math.isnan(one.shares()[0].lately)
    assert one.shares()[0].all_along == pytest.approx(0.6)


def test_what_is_older_than_the_window_counts_no_longer() -> None:
    made = readings(*(status(float(second), 10 * second) for second in range(30)))
    assert made.over_s == 10.0
    assert made.rates().frames == 10.0


def test_another_process_begins_anew() -> None:
    made = readings(status(500.0, 1000), status(2.0, 6), status(3.0, 9))
    assert made.over_s == 1.0
    assert made.rates().frames == 3.0


def test_another_process_begins_anew_also_where_it_is_up_for_longer() -> None:
    made = readings(status(4.0, 1000), status(20.0, 6), status(21.0, 9))
    assert made.over_s == 1.0
    assert made.rates().frames == 3.0


def test_times_are_those_of_the_frames_in_between() -> None:
    before, after = status(10.0), status(20.0)
    before["meters"]["stages"] = {"total": histogram(9.0, 9.0)}
    after["meters"]["stages"] = {"total": histogram(9.0, 9.0, *[0.004] * 99, 0.04)}
    times = readings(before, after).times("stages", "total")
    assert times.count == 100
    assert times.mean_s == pytest.approx(0.00436)
    assert (times.p50_s, times.p99_s) == (0.005, 0.005)


def test_the_first_status_is_taken_as_a_whole() -> None:
    assert readings(status(10.0, 4, 0.02)).times("stages", "infer").count == 4


def test_beyond_the_last_bound_nothing_is_promised() -> None:
    told = status(1.0)
    told["meters"]["stages"] = {"total": histogram(60.0)}
    assert math.isinf(readings(told).times("stages", "total").p50_s)


def test_nothing_happened() -> None:
    assert readings(status(1.0, 5), status(2.0, 5)).times("stages", "total") == Times(0)


def test_shares_are_of_the_cells_found() -> None:
    first, second = status(1.0, 10), status(2.0, 20)
    second["meters"]["cells"]["classes"] = {"T cell": 60, "B cell": 130}
    shares = readings(first, second).shares()
    assert shares[:2] == [Share("T cell", 0.0, 0.3), Share("B cell", 1.0, 0.65)]
    assert [share.name for share in shares[2:]] == [
        "rejected",
        "edge",
        "over limit",
        "failed",
        "ood",
    ]


def test_an_older_daemons_status_has_gaps_and_no_error() -> None:
    made = readings({"state": "ready", "uptime_s": 1.0}, {"state": "ready", "uptime_s": 2.0})
    assert made.rates().frames == 0
    assert made.shares() == []
    assert made.times("stages", "total").count == 0
