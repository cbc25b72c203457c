import numpy as np
import pytest

from phenostream.trainer.data.bsccm.labels import at_floor, kinds_of, usable_markers
from phenostream.trainer.data.bsccm.layout import ANTIBODIES, GATES


@pytest.mark.parametrize(
    ("gates", "kind", "conflict"),
    [
        ([], -1, False),
        ([0], 0, False),
        ([1], 1, False),
        ([1, 2, 3], 1, False),
        ([7, 9], 2, False),
        ([4], 3, False),
        ([5], -1, False),
        ([5, 6], -1, False),
        ([0, 7], -1, True),
        ([0, 4], -1, True),
        ([0, 6], 0, False),
        ([0, 6, 8], -1, True),
    ],
)
def test_a_cell_has_one_kind_or_none(gates: list[int], kind: int, conflict: bool) -> None:
    row = np.zeros((1, len(GATES)), np.bool_)
    row[0, gates] = True
    kinds = kinds_of(row)
    assert (kinds.kind.tolist(), kinds.conflict.tolist()) == ([kind], [conflict])


@pytest.mark.parametrize(
    ("antibodies", "usable"),
    [
        ("all", [1, 1, 1, 1]),
        ("CD45", [0, 0, 1, 0]),
        ("CD16", [0, 0, 0, 1]),
        *((name, [0, 0, 0, 0]) for name in ANTIBODIES if name not in ("all", "CD45", "CD16")),
    ],
)
def test_a_marker_teaches_where_its_antibody_was_in_the_tube(
    antibodies: str, usable: list[int]
) -> None:
    condition = np.array([ANTIBODIES.index(antibodies)], np.int32)
    assert usable_markers(np.ones((1, 4)), condition).tolist() == [list(map(bool, usable))]
    assert not usable_markers(np.full((1, 4), np.nan), condition).any()


def test_a_floor_is_a_level_that_cells_of_one_staining_and_batch_share() -> None:
    markers = np.array([[1.0], [1.0], [3.0], [0.5], [2.0], [2.0], [9.0], [np.nan]]).repeat(4, 1)
    condition = np.array([0, 0, 0, 1, 0, 0, 0, 0], np.int32)
    batch = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.int32)
    expected = [True, True, False, False, True, True, False, False]
    assert at_floor(markers, condition, batch)[:, 2].tolist() == expected


def test_a_column_without_numbers_has_no_floor() -> None:
    nothing = np.full((3, 4), np.nan)
    assert not at_floor(nothing, np.zeros(3, np.int32), np.zeros(3, np.int32)).any()
