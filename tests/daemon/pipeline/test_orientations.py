"""Each run has its own window; the log is told once per run and fault; nothing is remembered for ever."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.daemon.pipeline import orientations
from phenostream.daemon.pipeline.orientations import Orientations
from phenostream.daemon.recordings.frames import RecordedFrames
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import SHOTS, Reduced

REAL = Path(__file__).parents[2] / "data" / "real_quads.phenorec"


@pytest.fixture(scope="module")
def real() -> tuple[list[Reduced], list[Reduced]]:
    """Four frames of real cells: as they are, and with left and right swapped."""
    with RecordingReader(REAL) as reader:
        whole = list(RecordedFrames(reader))[:4]
    start = whole[0].start
    reducer = Reducer(start.camera, (start.height, start.width))
    stacks: list[npt.NDArray[np.uint16]] = [np.stack(frame.counts) for frame in whole]
    return [reducer.reduce(stack) for stack in stacks], [
        reducer.reduce(stack[[1, 0, 2, 3]]) for stack in stacks
    ]


def _see(book: Orientations, start: Start, frames: list[Reduced], times: int) -> list[str]:
    states: list[str] = []
    for k in range(times):
        states.append(book.state(start, SHOTS, frames[k % len(frames)]))
        book.look()
    return states


def test_runs_are_told_apart_and_a_fault_is_logged_once(
    real: tuple[list[Reduced], list[Reduced]],
    make_start: Callable[..., Start],
    caplog: pytest.LogCaptureFixture,
) -> None:
    good, bad, book = make_start(), make_start(), Orientations()
    with caplog.at_level(logging.INFO, orientations.__name__):
        assert _see(book, good, real[0], 60)[-1] == "ok"
        assert _see(book, bad, real[1], 60)[-1] == "left_right_swapped"
    assert book.states() == {good.run: "ok", bad.run: "left_right_swapped"}
    (line,) = caplog.messages
    assert bad.run in line
    assert "left and right are exchanged" in line


def test_what_is_said_of_a_frame_comes_from_the_frames_before_it(
    real: tuple[list[Reduced], list[Reduced]], make_start: Callable[..., Start]
) -> None:
    start, book = make_start(), Orientations()
    assert book.state(start, SHOTS, real[0][0]) == "undecided"
    assert book.states() == {start.run: "undecided"}
    book.look()
    book.look()
    assert len(book.states()) == 1


def test_quiet_runs_are_forgotten(
    real: tuple[list[Reduced], list[Reduced]],
    make_start: Callable[..., Start],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orientations, "_MOST_RUNS", 2)
    book, starts = Orientations(), [make_start() for _ in range(4)]
    for start in starts:
        _see(book, start, real[1], 12)
    assert list(book.states()) == [start.run for start in starts[2:]]
