import numpy as np
import pytest

from phenostream.engine.optics.cells import (
    JITTER_UM,
    KINDS,
    WhiteCell,
    draw_object,
    gate_index,
    kind_index,
    marker_row,
    truth_row,
)
from phenostream.engine.optics.presets import PRESETS, RANGES
from phenostream.engine.types import CLASSES


def _white(kind: str, seed: int) -> WhiteCell:
    cell = draw_object(np.random.default_rng(seed), kind, "hard").cells[0]
    assert isinstance(cell, WhiteCell)
    return cell


def test_the_first_kinds_are_the_classes() -> None:
    assert KINDS[: len(CLASSES)] == CLASSES


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawn_object_is_of_its_kind_and_near_the_middle(kind: str) -> None:
    shown = draw_object(np.random.default_rng(1), kind, "hard")
    assert [kind_index(cell) for cell in shown.cells] == [KINDS.index(kind)]
    assert abs(shown.cells[0].y_um) <= JITTER_UM
    assert abs(shown.cells[0].x_um) <= JITTER_UM


def test_the_same_random_state_gives_the_same_cell() -> None:
    assert draw_object(np.random.default_rng(3), "monocyte", "easy") == draw_object(
        np.random.default_rng(3), "monocyte", "easy"
    )


def test_only_white_cells_have_protein_levels() -> None:
    for kind in KINDS:
        row = marker_row(draw_object(np.random.default_rng(0), kind, "hard").cells[0])
        assert row.shape == (4,)
        assert np.isfinite(row).all() == (kind in CLASSES)


def test_only_granulocytes_have_a_maturity_and_every_white_cell_has_a_size() -> None:
    for kind in KINDS:
        cell = draw_object(np.random.default_rng(0), kind, "hard").cells[0]
        size, maturity = truth_row(cell)
        assert np.isfinite(maturity) == (kind == "granulocyte")
        if isinstance(cell, WhiteCell):
            assert size == pytest.approx(np.log(cell.diameter_um**2), rel=1e-6)
        else:
            assert np.isnan(size)


def test_a_pair_touches() -> None:
    for seed in range(20):
        one, two = draw_object(
            np.random.default_rng(seed), "granulocyte", "hard", "lymphocyte"
        ).cells
        apart = np.hypot(one.y_um - two.y_um, one.x_um - two.x_um)
        reach = (one.footprint_um + two.footprint_um) / 2
        assert 0.8 * reach < apart < 1.05 * reach


def test_every_class_has_texture_in_the_hard_preset() -> None:
    for kind in CLASSES:
        cells = [_white(kind, seed) for seed in range(20)]
        assert min(cell.granules for cell in cells) >= 5
        assert min(cell.body_texture for cell in cells) > 0.01


def test_a_granulocytes_maturity_ties_its_lobes_to_its_cd16() -> None:
    drawn = [_white("granulocyte", seed) for seed in range(600)]
    cells = [cell for cell in drawn if cell.gate == cell.kind]
    lobes = np.array([cell.lobes for cell in cells])
    cd16 = np.array([cell.markers[3] for cell in cells])
    size = np.log([cell.diameter_um for cell in cells])
    rest = cd16 - np.polyval(np.polyfit(size, cd16, 1), size)
    assert 0.15 < np.corrcoef(lobes, rest)[0, 1] < 0.45
    assert np.corrcoef(size, cd16)[0, 1] > 0.1


@pytest.mark.parametrize(
    ("marker", "highest"),
    [(0, "monocyte"), (1, "lymphocyte"), (3, "granulocyte")],
)
def test_marker_medians_order_the_classes_as_biology_does(marker: int, highest: str) -> None:
    median = {
        kind: np.median([_white(kind, seed).markers[marker] for seed in range(80)])
        for kind in CLASSES
    }
    assert max(median, key=lambda kind: float(median[kind])) == highest


def test_gates_name_another_class_for_about_one_hard_white_cell_in_twenty_and_for_no_easy_one() -> (
    None
):
    rng = np.random.default_rng(4)
    wrong = {}
    for preset in PRESETS:
        cells = [draw_object(rng, CLASSES[i % 3], preset).cells[0] for i in range(1500)]
        wrong[preset] = [cell for cell in cells if gate_index(cell) != kind_index(cell)]
    assert not wrong["easy"]
    assert 0.03 < len(wrong["hard"]) / 1500 < 0.06
    assert {gate_index(cell) for cell in wrong["hard"]} == {0, 1, 2}


def test_levels_and_their_maturity_are_those_of_the_class_that_the_gates_name() -> None:
    drawn = [_white(CLASSES[seed % 3], seed) for seed in range(6000)]
    wrong = [cell for cell in drawn if cell.gate != cell.kind]
    cd16 = {
        name: np.median([marker_row(cell)[3] for cell in wrong if cell.gate == name])
        for name in CLASSES
    }
    assert cd16["granulocyte"] > 1.4 > 0.8 > max(cd16["lymphocyte"], cd16["monocyte"])
    for cell in wrong:
        assert np.isfinite(truth_row(cell)[1]) == (cell.gate == "granulocyte")


def test_red_cells_and_debris_have_no_gate_of_another_kind() -> None:
    for kind in ("red", "debris"):
        cell = draw_object(np.random.default_rng(5), kind, "hard").cells[0]
        assert gate_index(cell) == KINDS.index(kind)


def test_hard_objects_are_seen_under_light_of_each_inner_edge_and_easy_ones_under_the_microscopes() -> (
    None
):
    rng = np.random.default_rng(6)
    seen = {
        preset: {draw_object(rng, "red", preset).na_inner for _ in range(60)} for preset in PRESETS
    }
    assert seen == {"easy": {None}, "hard": set(RANGES["hard"].na_inner)}
