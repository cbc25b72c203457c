"""Labelled pictures as columns."""

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.classifier.pictures import Pictures, concatenate


def some(count: int = 4, planes: int = 1, side: int = 8) -> Pictures:
    images = np.arange(count * planes * side * side, dtype=np.uint8)
    return Pictures(
        images.reshape(count, planes, side, side),
        np.arange(count, dtype=np.int32) - 1,
        np.arange(count, dtype=np.int32) // 2,
        tuple(f"p{number}" for number in range(count)),
    )


def test_selected_rows_keep_their_names() -> None:
    chosen = some().select(np.array([True, False, False, True]))
    assert chosen.names == ("p0", "p3")
    assert chosen.kind.tolist() == [-1, 2]


def test_groups_of_two_parts_stay_apart() -> None:
    both = concatenate([some(), some()])
    assert both.group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_changed_label_changes_the_hash_and_a_name_does_not() -> None:
    one = some()
    relabelled = Pictures(one.images, one.kind[::-1].copy(), one.group, one.names)
    renamed = Pictures(one.images, one.kind, one.group, ("a", "b", "c", "d"))
    assert relabelled.sha256() != one.sha256()
    assert renamed.sha256() == one.sha256()


@pytest.mark.parametrize(
    ("images", "kind", "line"),
    [
        (np.zeros((2, 2, 8, 8), np.uint8), [0, 1], "expected shape"),
        (np.zeros((2, 1, 8, 9), np.uint8), [0, 1], "expected shape"),
        (np.zeros((2, 1, 8, 8), np.float32), [0, 1], "expected uint8, found float32"),
        (np.zeros((2, 1, 8, 8), np.uint8), [0], "kind: 1 for 2 pictures"),
        (np.zeros((2, 1, 8, 8), np.uint8), [0, 9], "kind: 9, allowed -1 to 5"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    images: np.ndarray, kind: list[int], line: str
) -> None:
    with pytest.raises(BadInput, match=line):
        Pictures(images, np.array(kind, np.int32), np.zeros(2, np.int32), ("a", "b"))


def test_parts_of_two_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match="need one size"):
        concatenate([some(side=8), some(side=9)])
