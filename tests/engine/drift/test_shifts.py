"""A difference within the tolerance alarms as rarely as the level says, whatever the frames have in common."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from phenostream.engine.drift.quantities import Tolerances, quantities_of
from phenostream.engine.drift.shifts import ALPHA, Shift, shifts
from phenostream.engine.drift.sums import Sums
from tests.engine.drift.toy_frames import CONTEXT, ROWS, Sample, stream_of, summed

QUANTITIES = quantities_of(CONTEXT)
TOLERANCES = Tolerances(0.1, 0.5, 0.5, 0.15)
NOTHING = Tolerances(1e-9, 1e-9, 1e-9, 1e-9)


def found(before: Sums, now: Sums, tolerances: Tolerances = TOLERANCES) -> dict[str, Shift]:
    return {one.quantity.code: one for one in shifts(before, now, QUANTITIES, tolerances)}


def beyond(shown: dict[str, Shift]) -> set[str]:
    return {code for code, one in shown.items() if one.beyond}


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        (Sample(shares=(0.55, 0.35, 0.1)), {"share/lymphocyte", "share/granulocyte"}),
        (Sample(rejected=0.5), {"rejected"}),
        (Sample(level=0.6), {f"brightness/{shot}" for shot in ("left", "right", "top")}),
        (Sample(feature=1.0), {f"feature/{axis}" for axis in range(8)}),
    ],
)
def test_a_planted_drift_is_found_and_nothing_else(planted: Sample, expected: set[str]) -> None:
    assert beyond(found(summed(Sample(), 60, 1), summed(planted, 60, 2))) == expected


def test_raised_markers_are_found_in_every_class() -> None:
    shown = beyond(found(summed(Sample(), 100, 1), summed(Sample(raised=1.0), 100, 2)))
    assert shown == {one.code for one in QUANTITIES if one.kind == "marker"}


def test_nothing_is_found_where_nothing_changed() -> None:
    shown = found(summed(Sample(), 60, 1), summed(Sample(), 60, 2))
    assert not beyond(shown)
    assert len(shown) == ROWS - 1  # of one shot no frame tells the brightness


def test_a_difference_within_the_tolerance_is_not_beyond_it_however_certain() -> None:
    shown = found(summed(Sample(), 400, 1), summed(Sample(raised=0.4), 400, 2))
    assert not beyond(shown)
    assert shown["marker/granulocyte/CD45"].difference == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(
    ("tolerances", "planted"),
    [
        (NOTHING, Sample(cells=30)),
        (Tolerances(0.1, 0.3, 0.3, 0.15), Sample(cells=30, raised=0.3, feature=0.3)),
    ],
    ids=["no tolerance, no difference", "a difference of the tolerance in 20 quantities"],
)
def test_the_level_holds_with_frames_whose_cells_are_alike(
    tolerances: Tolerances, planted: Sample
) -> None:
    pairs, alarms = 200, 0
    for seed in range(pairs):
        before, now = summed(Sample(cells=30), 20, 2 * seed), summed(planted, 20, 2 * seed + 1)
        alarms += bool(beyond(found(before, now, tolerances)))
    # Clopper and Pearson: seven or more of 200 at a rate of 0.01 happen once in 230 times
    assert alarms < 7, f"{alarms} of {pairs} comparisons at a level of {ALPHA}"


@pytest.mark.parametrize(("cells_before", "cells", "frames"), [(30, 30, 20), (120, 6, 100)])
def test_a_window_in_which_a_rare_thing_did_not_happen_is_not_taken_for_sure(
    cells_before: int, cells: int, frames: int
) -> None:
    rare = Sample(shares=(0.595, 0.4, 0.005))
    before = summed(replace(rare, cells=cells_before), 120, 0)
    alarms, windows = 0, 300
    for seed in range(1, windows + 1):
        now = summed(replace(rare, cells=cells), frames, seed)
        alarms += "share/monocyte" in beyond(found(before, now, NOTHING))
    # eight or more of 300 at a rate of 0.01 happen once in 80 times
    assert alarms < 8, f"{alarms} of {windows} windows"


def test_cells_of_a_frame_that_are_alike_do_not_count_as_many() -> None:
    shared = Sample(between=1.0)
    before, now = summed(shared, 8, 1), summed(shared, 8, 2)
    shown = found(before, now, Tolerances(marker_sd=0.05))
    assert not {code for code in beyond(shown) if code.startswith("marker")}


def test_too_few_cells_or_frames_are_not_tested() -> None:
    rare = Sample(shares=(0.5, 0.499, 0.001))
    assert "marker/monocyte/CD45" not in found(summed(rare, 40, 1), summed(rare, 40, 2))
    assert found(summed(Sample(), 2, 1), summed(Sample(), 60, 2)) == {}


def test_a_brightness_is_compared_by_its_ratio() -> None:
    shown = found(summed(Sample(), 30, 1), summed(Sample(level=0.8), 30, 2))
    one = shown["brightness/left"]
    assert one.difference == pytest.approx(log(2), abs=0.02)
    assert one.tolerance == pytest.approx(log(1.15))


def test_sums_of_parts_are_the_sums_of_all() -> None:
    whole, part, rest = Sums(ROWS), Sums(ROWS), Sums(ROWS)
    for number, (x, n) in enumerate(stream_of(Sample(), 30, 3)):
        whole.add(x, n)
        (part if number < 11 else rest).add(x, n)
    part.merge(rest)
    assert part.frames == whole.frames
    assert part.table == pytest.approx(whole.table)
    assert np.isfinite(whole.table).all()
