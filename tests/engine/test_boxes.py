import numpy as np
import pytest

from phenostream.engine.boxes import overlap, widened


def test_overlap_is_shared_area_over_the_area_of_both() -> None:
    one = np.array([[0, 0, 2, 2]], np.float32)
    other = np.array([[1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2]], np.float32)
    assert overlap(one, other)[0] == pytest.approx([1 / 3, 0, 1])
    assert overlap(one, other[:0]).shape == (1, 0)


def test_a_widened_box_keeps_its_centre_and_grows_by_its_own_sides() -> None:
    box = np.array([[10, 20, 20, 40]], np.float32)
    assert widened(box, 0.1).tolist() == [[9, 18, 21, 42]]
    assert widened(box[:0], 0.1).shape == (0, 4)
