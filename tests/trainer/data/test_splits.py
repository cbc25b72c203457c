from dataclasses import replace

import numpy as np
import pytest

from phenostream.engine.errors import EngineFault
from phenostream.trainer.data.bsccm.layout import GATES
from phenostream.trainer.data.protocols import PROTOCOLS, Protocol, TooFewCells
from phenostream.trainer.data.splits import cell_set, check_disjoint, outlier_rows, split
from tests.trainer.data.toy_packed import STEP_UM, single_stained, toy_packed, with_rows

GROUPED: tuple[Protocol, ...] = ("clean", "fov", "slide")


@pytest.mark.parametrize("protocol", GROUPED)
def test_no_cell_and_no_image_is_in_two_parts(protocol: Protocol) -> None:
    cells = toy_packed(slides=2)
    images = cells.images.copy()
    images[5:15] = images[25:35]  # other cells, same image
    cells = replace(cells, images=images)
    made = split(cells, protocol)
    rows = np.concatenate([part.rows for part in made.parts().values()])
    assert len(np.unique(rows)) == len(rows)
    assert len({cells.images[row].tobytes() for row in rows}) == len(rows)
    assert made.left_out["image of another cell"] == 10
    assert made.shared == 0


def test_overlapping_parts_are_refused() -> None:
    cells = toy_packed()
    made = split(cells, "clean")
    with pytest.raises(EngineFault, match=r"split clean: cell .* is in train and in test"):
        check_disjoint(cells, replace(made, test=made.train.take(np.arange(3))))
    images = cells.images.copy()
    images[made.test.rows[0]] = images[made.train.rows[0]]
    with pytest.raises(EngineFault, match="split clean: image"):
        check_disjoint(replace(cells, images=images), made)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_seed_parts_the_same_and_another_differs(protocol: Protocol) -> None:
    cells = single_stained(toy_packed((80, 130, 60, 20), slides=2), list(range(30)), "CD16")
    first, again, another = (split(cells, protocol, seed).sha256(cells) for seed in (1, 1, 2))
    assert first == again
    assert another != first or protocol == "fov"  # the best cut of these fields is one


def test_paper_parts_the_gate_lists_as_train_py_did() -> None:
    cells = toy_packed((3_000, 7_000, 1_560, 0))
    made = split(cells, "paper")
    assert [len(part) for part in made.parts().values()] == [8091, 1734, 1734, 1735]
    assert len(made.train) == 11_560 - 3_469  # ceil(11560 * (1 - 0.7)): one more than 30 %
    shares = np.bincount(made.test.kind) / len(made.test)
    np.testing.assert_allclose(shares, np.array([3_000, 7_000, 1_560]) / 11_560, atol=1e-3)


def test_paper_keeps_a_cell_in_two_gates_twice_even_as_two_kinds() -> None:
    cells = toy_packed((300, 300, 100, 0))
    twice = np.flatnonzero(cells.kind == 1)[:200].tolist()
    gates = cells.gates.copy()
    gates[twice[:100], 2] = True  # another granulocyte gate
    gates[twice[100:], 7] = True  # a monocyte gate
    cells = replace(cells, gates=gates)
    cells = with_rows(cells, twice[100:], kind=-1, conflict=True)
    made = split(cells, "paper")
    rows = np.concatenate([made.train.rows, made.select.rows, made.test.rows])
    assert len(rows) == 900
    assert made.shared > 20
    kinds = np.concatenate([made.train.kind, made.select.kind, made.test.kind])
    assert set(kinds[rows == twice[150]].tolist()) == {1, 2}
    assert split(cells, "clean").left_out["gates of two kinds"] == 100


def test_the_test_field_is_never_next_to_a_training_field() -> None:
    cells = toy_packed((200, 300, 120, 60), grid=(12, 6))
    made = split(cells, "fov")
    parts = list(made.parts().values())
    for index, one in enumerate(parts):
        for other in parts[index + 1 :]:
            apart = cells.field_um[one.rows][:, None] - cells.field_um[other.rows][None]
            assert np.abs(apart).max(axis=2).min() >= 2 * STEP_UM
    assert made.left_out["margin between fields"] > 0


def test_a_slide_is_tested_on_whole() -> None:
    cells = toy_packed(slides=3)
    made = split(cells, "slide")
    tested = set(cells.slide[made.test.rows].tolist())
    rest = np.concatenate([made.train.rows, made.select.rows, made.calibrate.rows])
    assert len(tested) == 1
    assert not tested & set(cells.slide[rest].tolist())


def test_single_stained_cells_are_tested_without_a_class() -> None:
    cells = single_stained(toy_packed(), list(range(0, 20)), "CD16")
    cells = single_stained(cells, list(range(20, 30)), "CD45")
    made = split(cells, "condition")
    assert sorted(made.test.rows.tolist()) == list(range(30))
    assert set(made.test.kind.tolist()) == {-1}
    tested = cell_set(cells, made.test.rows, made.test.kind)
    assert tested.marker_mask.sum(axis=0).tolist() == [0, 0, 10, 20]


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("slide", "labelled cells of every class on 1 of 1 slides; needs at least 2"),
        ("condition", "no cells stained with CD45 or CD16 alone"),
        ("fov", "no lymphocyte and no granulocyte and no monocyte in the part 'select'"),
    ],
)
def test_a_split_that_cannot_be_made_is_one_line(protocol: Protocol, message: str) -> None:
    with pytest.raises(TooFewCells, match=message) as refused:
        split(toy_packed(grid=(1, 1)), protocol)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("protocol", ["paper", "clean", "fov"])
def test_a_class_of_one_cell_is_refused_by_name(protocol: Protocol) -> None:
    with pytest.raises(TooFewCells, match="monocyte"):
        split(toy_packed((50, 50, 1, 0)), protocol)


def test_outliers_are_cells_that_nothing_was_fitted_on() -> None:
    cells = toy_packed(slides=2)
    cells = with_rows(cells, [0, 1, 2], kind=-1, gates=False)
    unknown = np.eye(len(GATES), dtype=np.bool_)[5]
    cells = with_rows(cells, [3, 4], kind=-1, gates=unknown)
    cells = with_rows(cells, [5], kind=-1, conflict=True)
    made = split(cells, "clean")
    found = outlier_rows(cells, made)
    assert found["ungated"].tolist() == [0, 1, 2]
    assert found["unknown gate"].tolist() == [3, 4]
    assert set(found["red"].tolist()) == set(made.test.rows[made.test.kind == 3].tolist())
    assert len(outlier_rows(cells, made, most=2)["ungated"]) == 2
    red = outlier_rows(cells, split(cells, "paper"))["red"]
    assert len(red) == (cells.kind == 3).sum()


def test_targets_are_logarithms_where_they_may_be_used() -> None:
    cells = toy_packed()
    markers, mask = cells.markers.copy(), cells.marker_mask.copy()
    markers[0], markers[1, 2], mask[2, 3] = 100.0, np.nan, False
    mask[1, 2] = False
    cells = with_rows(replace(cells, markers=markers, marker_mask=mask), [0, 1, 2], kind=1)
    cells = with_rows(cells, [0], censored=True)
    made = cell_set(cells, np.arange(len(cells)))
    np.testing.assert_allclose(made.marker_log10[0], 2.0)
    assert made.censored[0].all()
    assert (made.marker_log10[1, 2], made.marker_mask[1, 2], made.marker_mask[2, 3]) == (
        0,
        False,
        False,
    )
    assert not made.marker_mask[cells.kind == 3].any()
    assert np.isnan(made.truth).all()
    np.testing.assert_array_equal(made.group, cells.field)
    np.testing.assert_allclose(made.position, cells.in_field_px * 0.2, rtol=1e-6)
