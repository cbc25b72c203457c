"""A run's illuminations over time: soon known, not doubted for a while after, and a change is named rightly."""

import numpy as np
import pytest

from phenostream.engine.optics.orientation_window import (
    HOLD_CELLS,
    SETTLED_EVERY,
    OrientationWindow,
)
from phenostream.engine.optics.rendering import BankSpec, render_bank
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import Reduced

PIXEL_UM, SIDE_PX = 0.343, 512


@pytest.fixture(scope="module")
def frames() -> list[list[Reduced]]:
    """Twelve simulated frames of 20 objects: as they are, with left and right swapped, and with top in the dark."""
    bank = render_bank(BankSpec(seed=31, n=24, preset="easy", pixel_size_um=PIXEL_UM))
    simulator = FrameSimulator(SceneSettings(SIDE_PX, SIDE_PX, PIXEL_UM, "easy", 20), bank, 5)
    reducer = Reducer(simulator.camera, (SIDE_PX, SIDE_PX))
    counts = [simulator.frame(seq).counts for seq in range(12)]
    dark = [frame.copy() for frame in counts]
    for frame in dark:
        frame[2] = 30
    return [
        [reducer.reduce(np.ascontiguousarray(frame)) for frame in kind]
        for kind in (counts, [frame[[1, 0, 2, 3]] for frame in counts], dark)
    ]


def _follow(window: OrientationWindow, frames: list[Reduced], times: int) -> list[str]:
    states: list[str] = []
    for k in range(times):
        states.append(window.state)
        if window.wants_next():
            window.look(frames[k % len(frames)])
    return states


def test_a_good_run_is_undecided_for_a_few_frames_and_then_stays_ok(
    frames: list[list[Reduced]],
) -> None:
    states = _follow(OrientationWindow(), frames[0], 60)
    assert states[0] == "undecided"
    assert set(states[4:]) == {"ok"}


@pytest.mark.parametrize(("kind", "fault"), [(1, "left_right_swapped"), (2, "missing")])
def test_a_fault_that_was_there_from_the_start_is_named(
    frames: list[list[Reduced]], kind: int, fault: str
) -> None:
    window = OrientationWindow()
    assert set(_follow(window, frames[kind], 40)[6:]) == {fault}
    assert window.verdict is not None
    assert window.verdict.fault == fault


def test_a_change_is_undecided_until_half_a_window_stands_by_it(
    frames: list[list[Reduced]],
) -> None:
    window = OrientationWindow()
    _follow(window, frames[0], 40)
    states = _follow(window, frames[1], 40 * SETTLED_EVERY)
    changes = [state for k, state in enumerate(states) if k == 0 or states[k - 1] != state]
    assert changes == ["ok", "undecided", "left_right_swapped"]
    assert states.count("undecided") >= HOLD_CELLS / 20


def test_a_settled_run_is_looked_at_now_and_then(frames: list[list[Reduced]]) -> None:
    window = OrientationWindow()
    _follow(window, frames[0], 40)
    wanted = [window.wants_next() for _ in range(5 * SETTLED_EVERY)]
    assert sum(wanted) == 5


def test_only_the_shots_that_are_taken_are_judged(frames: list[list[Reduced]]) -> None:
    window = OrientationWindow(("left", "right"))
    assert set(_follow(window, frames[2], 30)[6:]) == {"ok"}
