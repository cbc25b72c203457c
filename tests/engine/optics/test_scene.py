from dataclasses import replace
from time import process_time

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.cells import draw_object
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.patch import render_object
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import BankSpec, CellBank, render_bank
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings, SimulatedFrame
from phenostream.engine.types import SHOTS

PIXEL_UM = 0.343
SPEC = BankSpec(seed=6, n=24, preset="hard", purpose="golden", pixel_size_um=PIXEL_UM)


@pytest.fixture(scope="module")
def banks() -> dict[Preset, CellBank]:
    return {"hard": render_bank(SPEC), "easy": render_bank(replace(SPEC, preset="easy"))}


def _settings(preset: Preset, objects: int = 60) -> SceneSettings:
    return SceneSettings(600, 512, PIXEL_UM, preset, objects)


def _frame(banks: dict[Preset, CellBank], preset: Preset, seq: int = 0) -> SimulatedFrame:
    return FrameSimulator(_settings(preset), banks[preset], 11).frame(seq)


def _distances_um(frame: SimulatedFrame) -> npt.NDArray[np.float64]:
    y, x = frame.y_px.astype(np.float64), frame.x_px.astype(np.float64)
    gap = np.asarray(np.hypot(y[:, None] - y, x[:, None] - x) * PIXEL_UM)
    np.fill_diagonal(gap, np.inf)
    return gap


@pytest.mark.parametrize("preset", ["easy", "hard"])
def test_frames_do_not_depend_on_the_order_of_calls(
    banks: dict[Preset, CellBank], preset: Preset
) -> None:
    one = FrameSimulator(_settings(preset), banks[preset], 11)
    forward = [one.frame(seq) for seq in (0, 1)]
    two = FrameSimulator(_settings(preset), banks[preset], 11)
    backward = [two.frame(seq) for seq in (1, 0)]
    for first, second in zip(forward, reversed(backward), strict=True):
        assert first.counts.tobytes() == second.counts.tobytes()
        assert np.array_equal(first.y_px, second.y_px)
    assert not np.array_equal(forward[0].counts, forward[1].counts)


def test_another_seed_or_purpose_gives_another_frame(banks: dict[Preset, CellBank]) -> None:
    bank = banks["hard"]
    other = replace(bank, spec=replace(SPEC, purpose="train"))
    frames = [
        FrameSimulator(_settings("hard"), bank, 11).frame(0),
        FrameSimulator(_settings("hard"), bank, 12).frame(0),
        FrameSimulator(_settings("hard"), other, 11).frame(0),
    ]
    assert len({frame.y_px.tobytes() for frame in frames}) == 3


def test_easy_centres_are_14_um_apart_and_far_from_the_border(
    banks: dict[Preset, CellBank],
) -> None:
    for seq in range(4):
        frame = _frame(banks, "easy", seq)
        assert len(frame) > 40
        assert _distances_um(frame).min() >= 14.0
        assert not frame.edge.any()
        assert not frame.touching.any()


def test_hard_frames_have_touching_and_cut_cells(banks: dict[Preset, CellBank]) -> None:
    frames = [_frame(banks, "hard", seq) for seq in range(4)]
    assert sum(frame.touching.sum() for frame in frames) > 3
    assert sum(frame.edge.sum() for frame in frames) > 3
    assert min(_distances_um(frame).min() for frame in frames) < 12.0


def test_only_pairs_touch_in_hard_frames(banks: dict[Preset, CellBank]) -> None:
    for seq in range(4):
        frame = _frame(banks, "hard", seq)
        gap = _distances_um(frame) - (frame.diameter_um[:, None] + frame.diameter_um) / 2
        np.fill_diagonal(gap, np.inf)
        assert (gap < 1.0).sum(axis=1).max() <= 1


def test_gates_travel_with_their_cells(banks: dict[Preset, CellBank]) -> None:
    bank = banks["hard"]
    other = (bank.kind + 1) % 3
    gated = replace(bank, gate=np.where(bank.kind < 3, other, bank.kind).astype(np.int8))
    frame = FrameSimulator(_settings("hard"), gated, 11).frame(0)
    white = frame.kind < 3
    np.testing.assert_array_equal(frame.gate[white], (frame.kind[white] + 1) % 3)
    np.testing.assert_array_equal(frame.gate[~white], frame.kind[~white])


def test_cells_of_a_hard_frame_lie_about_one_plane(banks: dict[Preset, CellBank]) -> None:
    bank = replace(banks["hard"], defocus_um=np.linspace(-30, 30, 24, dtype=np.float32))
    simulator = FrameSimulator(_settings("hard"), bank, 11)
    drawn = [bank.defocus_um[simulator._objects(np.random.default_rng(s))] for s in range(20)]
    within = np.mean([np.median(np.abs(one - np.median(one))) for one in drawn])
    between = np.std([np.median(one) for one in drawn])
    assert within < 0.5 * between


def test_edge_is_where_a_crop_would_leave_the_frame(banks: dict[Preset, CellBank]) -> None:
    frame = _frame(banks, "hard")
    half = 14 * 0.686 / PIXEL_UM
    assert frame.edge.any()
    assert not frame.edge.all()
    height, width = frame.counts.shape[-2:]
    to_border = np.minimum.reduce(
        [frame.y_px + 0.5, frame.x_px + 0.5, height - 0.5 - frame.y_px, width - 0.5 - frame.x_px]
    )
    assert np.array_equal(frame.edge, to_border < half)


def test_truth_is_in_order_and_says_which_cells_are_white(banks: dict[Preset, CellBank]) -> None:
    frame = _frame(banks, "hard")
    assert (np.diff(frame.y_px) >= 0).all()
    white = frame.kind < 3
    assert np.array_equal(frame.class_index[white], frame.kind[white])
    assert (frame.class_index[~white] == -1).all()
    assert np.isfinite(frame.markers[white]).all()


def _centre_errors_um(frame: SimulatedFrame) -> list[float]:
    """How far the contrast's centre of mass is from the truth, red and white cells."""
    light = frame.counts.astype(np.float64) - 30
    light /= np.median(light, axis=(1, 2), keepdims=True)
    energy = ((light - 1) ** 2).sum(axis=0)
    reach = int(6.5 / PIXEL_UM)
    line = np.arange(-reach, reach + 1)
    errors = []
    for y, x in zip(frame.y_px[frame.kind != 4], frame.x_px[frame.kind != 4], strict=True):
        row, column = round(float(y)), round(float(x))
        part = energy[row - reach : row + reach + 1, column - reach : column + reach + 1]
        part = np.clip(part - 0.02, 0, None)
        off_y = (part.sum(axis=1) @ line) / part.sum() + row - y
        off_x = (part.sum(axis=0) @ line) / part.sum() + column - x
        errors.append(float(np.hypot(off_y, off_x)) * PIXEL_UM)
    return errors


def test_cells_are_where_the_truth_says(banks: dict[Preset, CellBank]) -> None:
    errors = _centre_errors_um(_frame(banks, "easy"))
    assert np.median(errors) < 0.5
    assert max(errors) < 3


def test_truth_is_turned_with_its_patch(banks: dict[Preset, CellBank]) -> None:
    drawn = draw_object(np.random.default_rng(1), "red", "easy")
    moved = replace(drawn, cells=(replace(drawn.cells[0], y_um=2.0, x_um=-3.5),))
    bank = replace(
        banks["easy"],
        patches=render_object(moved, PIXEL_UM, Optics())[None],
        cell_object=np.zeros(1, np.int32),
        kind=np.array([3], np.int8),
        y_um=np.array([2.0], np.float32),
        x_um=np.array([-3.5], np.float32),
        diameter_um=np.array([8.5], np.float32),
        markers=np.full((1, 4), np.nan, np.float32),
    )
    frame = FrameSimulator(_settings("easy", 30), bank, 4).frame(0)
    assert len(frame) > 25
    assert max(_centre_errors_um(frame)) < 0.7


def test_every_cell_keeps_its_bright_edges_however_it_was_turned(
    banks: dict[Preset, CellBank],
) -> None:
    frame = _frame(banks, "easy")
    light = frame.counts.astype(np.float64)
    reach = int(6 / PIXEL_UM)
    line = np.arange(-reach, reach + 1)
    agree = []
    for y, x in zip(frame.y_px[frame.kind != 4], frame.x_px[frame.kind != 4], strict=True):
        row, column = round(float(y)), round(float(x))
        part = light[:, row - reach : row + reach + 1, column - reach : column + reach + 1]
        along_x = dict(zip(SHOTS, part.sum(axis=1) @ line, strict=True))
        along_y = dict(zip(SHOTS, part.sum(axis=2) @ line, strict=True))
        agree.append(along_x["left"] > along_x["right"] and along_y["bottom"] > along_y["top"])
    assert all(agree)


def test_far_from_cells_the_field_is_the_cameras_own(banks: dict[Preset, CellBank]) -> None:
    empty = FrameSimulator(_settings("hard", objects=0), banks["hard"], 11).frame(0)
    assert len(empty) == 0
    assert empty.counts.shape == (4, 600, 512)
    assert empty.counts.std() < 90
    assert empty.markers.shape == (0, 4)


def test_the_default_density_is_200_in_a_full_frame() -> None:
    assert SceneSettings().wanted == 200
    assert SceneSettings(1024, 1024).wanted == 50


def test_too_many_objects_for_the_spacing_are_left_out(banks: dict[Preset, CellBank]) -> None:
    frame = FrameSimulator(_settings("easy", objects=400), banks["easy"], 1).frame(0)
    assert 60 < len(frame) < 250
    assert _distances_um(frame).min() >= 14.0


def test_the_announced_camera_is_the_simulated_one(banks: dict[Preset, CellBank]) -> None:
    camera = FrameSimulator(_settings("hard"), banks["hard"], 1).camera
    assert (camera.pixel_size_um, camera.dark_level, camera.white_level) == (PIXEL_UM, 30, 4095)
    assert camera.dtype == "u16"


def test_a_bank_of_another_pixel_or_preset_is_refused(banks: dict[Preset, CellBank]) -> None:
    with pytest.raises(BadConfig, match="pixel"):
        FrameSimulator(SceneSettings(600, 600, 0.2), banks["hard"], 1)
    with pytest.raises(BadConfig, match="preset"):
        FrameSimulator(_settings("easy"), banks["hard"], 1)


def test_a_field_too_small_for_a_cell_is_refused() -> None:
    with pytest.raises(BadConfig, match="side"):
        SceneSettings(64, 512, 0.1715)


def test_a_frame_costs_less_than_its_cells_would_to_render(banks: dict[Preset, CellBank]) -> None:
    simulator = FrameSimulator(_settings("hard"), banks["hard"], 11)
    simulator.frame(0)
    begin = process_time()
    cells = sum(len(simulator.frame(seq)) for seq in range(1, 4))
    assert (process_time() - begin) / cells < 0.004
