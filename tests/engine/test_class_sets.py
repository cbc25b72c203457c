import numpy as np

from phenostream.engine.class_sets import class_bits, class_members, classes_of
from phenostream.engine.types import CLASSES


def test_bits_name_the_classes_that_reach_their_threshold() -> None:
    probability = np.array([[0.2, 0.7, 0.1], [0.05, 0.05, 0.9], [0.3, 0.3, 0.4]], np.float32)
    bits = class_bits(class_members(probability, (0.2, 0.3, 0.3)))
    assert bits.dtype == np.uint8
    assert bits.tolist() == [0b011, 0b100, 0b111]
    assert classes_of(0b011, CLASSES) == ("lymphocyte", "granulocyte")
    assert classes_of(0, CLASSES) == ()


def test_the_most_probable_class_is_always_in() -> None:
    members = class_members(np.array([[0.3, 0.36, 0.34]], np.float32), (0.9, 0.9, 0.9))
    assert members.tolist() == [[False, True, False]]


def test_no_cells_have_no_sets() -> None:
    assert class_bits(class_members(np.zeros((0, 3), np.float32), (0.1, 0.1, 0.1))).shape == (0,)
