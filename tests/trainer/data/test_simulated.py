"""Training crops are what the daemon would cut, under labels that are true, from cells nobody else uses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.crop import ring_background
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.rendering import CellBank, render_bank
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings, SimulatedFrame
from phenostream.trainer.data.cell_set import KINDS, CellSet
from phenostream.trainer.data.labels import MATCH_UM, label_frame
from phenostream.trainer.data.simulated import PARTS, PIXEL_UM, PartSettings, make_cells


@pytest.fixture(scope="module")
def bank() -> CellBank:
    return render_bank(PartSettings("train", "easy", 1, 60, 100).bank)


@pytest.fixture(scope="module")
def simulator(bank: CellBank) -> FrameSimulator:
    return FrameSimulator(SceneSettings(512, 512, PIXEL_UM, "easy"), bank, 5)


@pytest.fixture(scope="module")
def frame(simulator: FrameSimulator) -> SimulatedFrame:
    return simulator.frame(0)


@pytest.fixture(scope="module")
def cells(simulator: FrameSimulator, frame: SimulatedFrame) -> CellSet:
    return label_frame(simulator, frame, np.random.default_rng(0))


def test_nearly_every_cell_of_an_easy_frame_is_labelled(
    cells: CellSet, frame: SimulatedFrame
) -> None:
    for index in range(KINDS.index("debris")):
        there = int((frame.kind == index).sum())
        assert abs(int((cells.kind == index).sum()) - there) <= max(1, 0.1 * there), KINDS[index]


def test_a_label_carries_its_own_cells_markers(cells: CellSet, frame: SimulatedFrame) -> None:
    truth = {tuple(row) for row in frame.markers[frame.class_index >= 0].tolist()}
    assert all(tuple(row) in truth for row in cells.marker_log10[cells.white].tolist())
    assert cells.marker_mask[cells.white].all()
    assert not cells.marker_mask[~cells.white].any()


def test_the_label_is_what_the_gates_say_and_not_what_the_cell_is(
    simulator: FrameSimulator, frame: SimulatedFrame, cells: CellSet
) -> None:
    swapped = np.array([1, 0, 2, 3, 4], np.int8)
    other = label_frame(
        simulator, replace(frame, gate=swapped[frame.kind]), np.random.default_rng(0)
    )
    white = cells.white
    np.testing.assert_array_equal(other.kind[white], swapped[cells.kind[white]])
    np.testing.assert_array_equal(other.marker_log10, cells.marker_log10)


def test_a_label_carries_its_own_cells_truth_and_place(
    cells: CellSet, frame: SimulatedFrame
) -> None:
    there = np.stack([frame.y_px, frame.x_px], axis=1) * PIXEL_UM
    apart = np.linalg.norm(cells.position[cells.white, None] - there, axis=-1)
    assert apart.min(axis=1).max() < MATCH_UM
    shown = apart.argmin(axis=1)
    np.testing.assert_array_equal(cells.truth[cells.white], frame.truth[shown])
    np.testing.assert_array_equal(cells.marker_log10[cells.white], frame.markers[shown])
    assert np.isnan(cells.truth[~cells.white]).all()


def test_debris_is_cut_at_its_true_place_whether_it_was_detected_or_not(
    cells: CellSet, frame: SimulatedFrame
) -> None:
    debris = frame.kind == KINDS.index("debris")
    cut = int((cells.kind == KINDS.index("debris")).sum())
    assert 0.8 * int((debris & ~frame.edge).sum()) <= cut <= int(debris.sum())


def test_wrong_positions_give_no_class_labels(
    simulator: FrameSimulator, frame: SimulatedFrame
) -> None:
    moved = replace(frame, x_px=frame.x_px + 4 / PIXEL_UM)
    cells = label_frame(simulator, moved, np.random.default_rng(0))
    assert cells.white.sum() <= 0.1 * (frame.class_index >= 0).sum()


def test_background_is_the_daemons_own(cells: CellSet) -> None:
    np.testing.assert_array_equal(cells.background, ring_background(cells.images))


def test_empty_tiles_show_nothing_in_their_middle(cells: CellSet) -> None:
    ratio = cells.images / cells.background[:, :, None, None] - 1
    contrast = np.abs(ratio[:, :, 10:18, 10:18]).max(axis=(1, 2, 3))
    empty = cells.kind == KINDS.index("empty")
    assert empty.any()
    assert np.median(contrast[empty]) < 0.3 * np.median(contrast[cells.white])


def test_parts_presets_and_seeds_share_no_objects() -> None:
    settings = [
        PartSettings(part, preset, seed, 60, 100)
        for part in PARTS
        for preset in ("easy", "hard")
        for seed in (1, 2)
    ]
    streams = {(one.bank.purpose, one.bank.seed, one.preset) for one in settings}
    assert len(streams) == len(settings)
    assert not [one for one in settings if one.bank.purpose == "simulate"]
    assert len({one.key for one in settings}) == len(settings)


def test_a_finished_part_is_read_again_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    settings = PartSettings("select", "easy", 1, 50, 50)
    made = make_cells(settings, tmp_path)
    (part,) = tmp_path.glob("select-*.npz")
    stamp = part.stat().st_mtime_ns
    assert make_cells(settings, tmp_path).sha256() == made.sha256()
    assert part.stat().st_mtime_ns == stamp
    part.write_bytes(b"damaged")
    assert make_cells(settings, tmp_path).sha256() == made.sha256()


@pytest.mark.parametrize(("objects", "crops"), [(10, 100), (100, 10)])
def test_impossible_settings_are_refused_with_their_range(objects: int, crops: int) -> None:
    with pytest.raises(BadConfig, match="10 is out of range, allowed 50 to"):
        PartSettings("train", "easy", 1, objects, crops)
