"""The two real four-shot cells of the committed recording: found in every turn, none invented."""

import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.wire.ingest import FrameHeader, Start
from phenostream.deploy.bench.truth import read_truth
from phenostream.engine.detect import detect
from phenostream.engine.optics import symmetry
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.reduce import Reducer, full_from_reduced
from phenostream.engine.types import REDUCED_PIXEL_UM, SHOTS, Camera, Detections

DATA = Path(__file__).parents[1] / "data"
FIGURES = Path(__file__).parents[2] / ".." / "shared" / "data" / "bsccm_figures" / "png"
FRAMES = 5


@cache
def _recording() -> tuple[Camera, npt.NDArray[np.uint16]]:
    frames, camera = [], None
    with RecordingReader(DATA / "real_quads.phenorec") as recording:
        for recorded in recording:
            if isinstance(recorded.message, Start):
                camera = recorded.message.camera
                assert not recorded.message.synthetic
            elif isinstance(recorded.message, FrameHeader):
                assert recorded.data is not None
                frame = np.frombuffer(recorded.data, "<u2").reshape(recorded.message.shape)
                frames.append(frame)
    assert camera is not None
    return camera, np.stack(frames)


@cache
def _layout() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads((DATA / "real_quads.layout.json").read_text())
    return cells


@cache
def _found(seq: int) -> Detections:
    camera, frames = _recording()
    return detect(Reducer(camera, frames.shape[2:]).reduce(frames[seq]))


def _offsets(seq: int) -> list[tuple[dict[str, Any], float, float]]:
    """Each true cell with its nearest found one's offset (y, x), reduced pixels."""
    camera, _ = _recording()
    factor = REDUCED_PIXEL_UM / camera.pixel_size_um
    found = _found(seq)
    y, x = full_from_reduced(found.y, factor), full_from_reduced(found.x, factor)
    offsets = []
    for cell in _layout():
        if cell["frame_seq"] == seq:
            dy, dx = y - cell["y_px"], x - cell["x_px"]
            nearest = int(np.argmin(np.hypot(dy, dx)))
            offsets.append((cell, float(dy[nearest]) / factor, float(dx[nearest]) / factor))
    return offsets


@pytest.mark.parametrize("seq", range(FRAMES))
def test_every_real_cell_is_found_and_none_is_invented(seq: int) -> None:
    offsets = _offsets(seq)
    assert len(_found(seq)) == len(offsets)
    for cell, dy, dx in offsets:
        assert np.hypot(dy, dx) < (3.0 if cell["edge"] else 1.3), cell


def test_the_recording_holds_both_cells_in_all_turns_and_mirrors_and_an_empty_frame() -> None:
    turns = {(cell["cell"], cell["element"]) for cell in _layout()}
    assert turns == {(cell, e) for cell in ("quad11", "quad26") for e in range(symmetry.ELEMENTS)}
    assert len(_found(4)) == 0


@pytest.mark.parametrize("name", ["quad11", "quad26"])
def test_the_same_cell_lies_at_the_same_place_in_all_turns(name: str) -> None:
    upright = []
    for seq in range(FRAMES):
        for cell, dy, dx in _offsets(seq):
            if cell["cell"] == name and not cell["edge"]:
                y, x = symmetry.move(symmetry.inverse(cell["element"]), dy, dx)
                upright.append((float(y), float(x)))
    spread = np.array(upright) - np.median(upright, axis=0)
    assert len(upright) >= 12
    assert np.hypot(*spread.T).max() < 0.5


@pytest.mark.parametrize("seq", range(4))
def test_diameters_are_the_same_in_all_turns_and_only_the_cut_cell_is_at_the_edge(seq: int) -> None:
    found = _found(seq)
    expected = [cell["edge"] for cell in _layout() if cell["frame_seq"] == seq]
    assert found.edge.tolist() == expected
    assert ((found.diameter_um > 13) & (found.diameter_um < 16)).all()


@pytest.mark.parametrize("seq", range(4))
def test_every_turned_cell_has_the_four_edge_signs(seq: int) -> None:
    camera, frames = _recording()
    y, x = np.indices((49, 49)) - 24
    for cell in _layout():
        if cell["frame_seq"] != seq or cell["edge"]:
            continue
        top, left = round(cell["y_px"]) - 24, round(cell["x_px"]) - 24
        window = frames[seq, :, top : top + 49, left : left + 49].astype(np.float64)
        for shot, name in zip(window, SHOTS, strict=True):
            light = shot - np.median(frames[seq, SHOTS.index(name)])
            dipole = np.array([(light * y).sum(), (light * x).sum()])
            tilt = np.array(TILT[name])
            assert dipole @ tilt > 0.8 * np.hypot(*dipole), (cell, name)
    assert camera.pixel_size_um == pytest.approx(0.26667, abs=1e-4)


def test_the_truth_file_says_the_same_as_the_layout() -> None:
    truth = read_truth(DATA / "real_quads.truth.json")
    for frame in truth.frames:
        here = [cell for cell in _layout() if cell["frame_seq"] == frame.frame_seq]
        assert frame.y_px == [cell["y_px"] for cell in here]
        assert frame.x_px == [cell["x_px"] for cell in here]
        assert set(frame.kind) <= {"white"}
    assert not truth.synthetic


@pytest.mark.skipif(not FIGURES.is_dir(), reason="the figures of ../shared/data are not here")
def test_the_recording_is_what_the_composer_makes() -> None:
    frames, cells = _composer().compose(FIGURES)
    assert np.array_equal(frames, _recording()[1])
    assert [cell.y_px for cell in cells] == [cell["y_px"] for cell in _layout()]


def _composer() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("compose_real", DATA / "compose_real.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
