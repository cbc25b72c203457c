"""The simulated microscope: the same seed gives the same bytes, and its truth is the truth of what it sent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.daemon.run_id import new_run_id
from phenostream.deploy.bench.truth import Truth, read_truth, write_truth
from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope
from phenostream.engine.errors import BadConfig, BadInput

SMALL = MicroscopeSettings(size_px=512, seed=3, rendered=12, cells=8)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered cells, shared by the tests of this file."""
    return tmp_path_factory.mktemp("rendered")


def test_the_same_seed_gives_the_same_bytes_in_any_order(cache: Path) -> None:
    one, other = SimulatedMicroscope(SMALL, cache), SimulatedMicroscope(SMALL, cache)
    forward = [one.frame(seq) for seq in (0, 1)]
    backward = [other.frame(seq) for seq in (1, 0)]
    assert np.array_equal(forward[0], backward[1])
    assert np.array_equal(forward[1], backward[0])
    assert one.truth() == other.truth()


def test_a_faulty_wiring_announces_other_shots_and_leaves_the_truth(cache: Path) -> None:
    wired = replace(SMALL, wired=("right", "left", "top", "top"))
    good, faulty = SimulatedMicroscope(SMALL, cache), SimulatedMicroscope(wired, cache)
    assert np.array_equal(faulty.frame(1), good.frame(1)[[1, 0, 2, 2]])
    assert faulty.truth() == good.truth()
    assert faulty.start(new_run_id(), 1).shots == ("left", "right", "top", "bottom")


def test_another_seed_gives_another_frame(cache: Path) -> None:
    settings = MicroscopeSettings(size_px=512, seed=4, rendered=12, cells=8)
    assert not np.array_equal(
        SimulatedMicroscope(SMALL, cache).frame(0), SimulatedMicroscope(settings, cache).frame(0)
    )


def test_every_rendered_cell_is_reported_once_and_none_when_they_are_cached(tmp_path: Path) -> None:
    settings = MicroscopeSettings(size_px=512, seed=5, rendered=3, cells=2)
    seen: list[int] = []
    SimulatedMicroscope(settings, tmp_path, on_cell=lambda: seen.append(1))
    assert len(seen) == 3
    SimulatedMicroscope(settings, tmp_path, on_cell=lambda: seen.append(1))
    assert len(seen) == 3


def test_its_start_says_that_it_is_synthetic_and_fits_its_frames(cache: Path) -> None:
    microscope = SimulatedMicroscope(SMALL, cache)
    start = microscope.start(new_run_id(), 1)
    assert start.synthetic
    assert start.frame_bytes == microscope.frame(0).nbytes


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"size_px": 64}, "--size 64"),
        ({"pixel_size_um": 1.1}, "--pixel-size-um 1.1"),
        ({"seed": -1}, "--seed -1"),
        ({"cells": -2}, "--cells -2"),
        ({"wired": ("left", "right", "top")}, "--wired left,right,top: allowed 4 of"),
        ({"wired": ("left", "right", "top", "up")}, "--wired left,right,top,up: allowed 4 of"),
    ],
)
def test_impossible_settings_are_refused_by_name(changed: dict[str, int], named: str) -> None:
    with pytest.raises(BadConfig, match=named):
        MicroscopeSettings(**changed)  # type: ignore[arg-type]  # one table of ints and floats


def test_truth_survives_the_file(cache: Path, tmp_path: Path) -> None:
    microscope = SimulatedMicroscope(SMALL, cache)
    microscope.frame(0)
    path = tmp_path / "truth.json"
    write_truth(path, microscope.truth())
    assert read_truth(path) == microscope.truth()


@pytest.mark.parametrize("text", ["", "[]", '{"format":"other"}', '{"synthetic":true}'])
def test_a_file_that_is_no_truth_is_one_clear_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"truth\.json"):
        read_truth(path)


def test_columns_of_different_lengths_are_refused() -> None:
    frame = {"frame_seq": 0, "x_px": [1.0], "y_px": [], "kind": ["red"], "edge": [False]}
    with pytest.raises(ValueError, match="lengths"):
        Truth.model_validate(
            {"synthetic": True, "source": "s", "pixel_size_um": 1.0, "frames": [frame]}
        )
