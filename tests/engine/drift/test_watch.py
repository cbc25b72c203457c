"""An alarm opens with the second window in a row that shows a drift, and closes with the second that does not."""

from collections.abc import Iterable

import pytest

from phenostream.engine.drift.quantities import quantities_of
from phenostream.engine.drift.sums import F64
from phenostream.engine.drift.watch import (
    CONFIRMED,
    FORGOTTEN,
    LONGEST,
    AlarmChange,
    DriftBaseline,
    Watch,
    WatchSettings,
)
from tests.engine.drift.toy_frames import CONTEXT, Sample, stream_of, summed

SETTINGS = WatchSettings(least_frames=10, least_cells=100)
ODD = Sample(rejected=0.6)


def watch_of(*baselines: DriftBaseline, settings: WatchSettings = SETTINGS) -> Watch:
    known = baselines or (DriftBaseline("training", "", summed(Sample(), 60, 99)),)
    return Watch(quantities_of(CONTEXT), known, settings)


def feed(watch: Watch, frames: Iterable[tuple[F64, F64]]) -> list[tuple[str, bool]]:
    changes: list[AlarmChange] = [change for x, n in frames for change in watch.add(x, n)]
    return [(change.shift.quantity.code, change.opened) for change in changes]


def test_one_odd_window_is_no_alarm() -> None:
    watch = watch_of()
    assert feed(watch, stream_of(ODD, 10, 1)) == []
    assert watch.windows == 1
    assert [one.quantity.code for one in watch.standings[0].last if one.beyond] == ["rejected"]
    assert feed(watch, stream_of(Sample(), 10, 2)) == []
    assert feed(watch, stream_of(ODD, 10, 3)) == []
    assert watch.codes() == []


def test_an_alarm_opens_once_and_closes_once() -> None:
    watch = watch_of()
    assert feed(watch, stream_of(ODD, 10 * CONFIRMED, 1)) == [("rejected", True)]
    assert watch.codes() == ["training:rejected"]
    assert feed(watch, stream_of(ODD, 30, 2)) == []
    assert feed(watch, stream_of(Sample(), 10, 3)) == []
    assert watch.codes() == ["training:rejected"]
    assert feed(watch, stream_of(Sample(), 10, 4)) == [("rejected", False)]
    assert watch.codes() == []


def test_an_alarm_whose_quantity_cannot_be_tested_any_more_is_closed() -> None:
    watch = watch_of()
    feed(watch, stream_of(ODD, 10 * CONFIRMED, 1))
    untested = [
        change
        for x, n in stream_of(Sample(cells=0), 10 * LONGEST * FORGOTTEN, 2)
        for change in watch.add(x, n)
    ]
    assert [(one.shift.quantity.code, one.opened) for one in untested] == [("rejected", False)]
    assert untested[0].shift.beyond
    assert watch.windows == CONFIRMED + FORGOTTEN
    assert watch.codes() == []


def test_two_windows_that_go_opposite_ways_are_no_alarm() -> None:
    watch = watch_of(DriftBaseline("training", "", summed(Sample(rejected=0.4), 60, 99)))
    feed(watch, stream_of(Sample(rejected=0.8), 10, 1))
    assert feed(watch, stream_of(Sample(rejected=0.05), 10, 2)) == []


def test_a_window_waits_for_its_cells_but_not_for_ever() -> None:
    watch = watch_of()
    none = Sample(cells=0)
    feed(watch, stream_of(none, 10 * LONGEST - 1, 1))
    assert watch.windows == 0
    feed(watch, stream_of(none, 1, 2))
    assert watch.windows == 1
    feed(watch, stream_of(Sample(cells=20), 6, 3))
    assert watch.windows == 1
    feed(watch, stream_of(Sample(cells=20), 4, 4))
    assert watch.windows == 2


def test_what_cannot_be_compared_is_never_an_alarm() -> None:
    watch = watch_of(DriftBaseline("previous_run", "a", None, "another model"))
    assert feed(watch, stream_of(ODD, 40, 1)) == []
    assert watch.of_the_run("previous_run") == ()


def test_baselines_are_judged_apart() -> None:
    same = DriftBaseline("previous_run", "a", summed(ODD, 60, 98))
    watch = watch_of(DriftBaseline("training", "", summed(Sample(), 60, 99)), same)
    feed(watch, stream_of(ODD, 20, 1))
    assert watch.codes() == ["training:rejected"]


def test_the_whole_run_is_compared_at_once() -> None:
    watch = watch_of(settings=WatchSettings(least_frames=1000))
    feed(watch, stream_of(ODD, 30, 1))
    shown = [one.quantity.code for one in watch.of_the_run("training") if one.beyond]
    assert shown == ["rejected"]
    assert watch.whole.frames == pytest.approx(30)
