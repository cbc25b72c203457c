import numpy as np
import pytest

from phenostream.trainer.data.bsccm.neighbours import near_pairs

pytestmark = pytest.mark.trainer


def test_one_cell_in_two_fields_is_found_under_the_right_sign_only() -> None:
    """At 320 µm steps and 0.2 µm a pixel, a cell moves 1600 px to the left when the stage goes to the right."""
    field_um = np.array([[0.0, 0.0], [0.0, 320.0], [0.0, 0.0]])
    place = np.array([[900.0, 1700.0], [905.0, 100.0], [400.0, 400.0]])
    slide, field = np.zeros(3, np.int32), np.array([0, 1, 0], np.int32)
    within, across = near_pairs(field_um, place, slide, field, 0.2)
    assert within == 0
    assert across == {"++": 1, "+-": 0, "-+": 1, "--": 0}
    within, across = near_pairs(field_um, place, np.array([0, 1, 0], np.int32), field, 0.2)
    assert (within, sum(across.values())) == (0, 0)


def test_two_cells_of_a_field_are_near_whatever_the_sign() -> None:
    place = np.array([[100.0, 100.0], [110.0, 110.0], [100.0, 116.0]])
    same = np.zeros(3, np.int32)
    within, across = near_pairs(np.zeros((3, 2)), place, same, same, 0.2)
    assert (within, sum(across.values())) == (2, 0)


def test_no_cells_are_no_pairs() -> None:
    nothing = np.zeros((0, 2))
    none = np.zeros(0, np.int32)
    assert near_pairs(nothing, nothing, none, none, 0.2)[0] == 0
