"""Pictures of one original find each other; pictures of others do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.bccd.folds import fold_originals
from phenostream.trainer.data.bccd.landmarks import LandmarkFinder, Landmarks, agreement
from phenostream.trainer.data.bccd.originals import original_of, strays
from phenostream.trainer.data.bccd.placing import NEW, place
from phenostream.trainer.data.bccd.register import (
    UNKNOWN,
    UNPLACED,
    load_register,
    make_register,
    save_register,
)
from tests.trainer.data.bccd.toy_smears import changed, field, toy_smears

pytestmark = pytest.mark.trainer


def test_a_turned_and_mirrored_picture_agrees_and_another_field_does_not() -> None:
    finder, rng = LandmarkFinder(), np.random.default_rng(0)
    one, other = field(0, 1), field(0, 2)
    here = finder.find(changed(one, rng))
    same = [finder.find(changed(one, rng)) for _ in range(6)]
    different = [finder.find(changed(other, rng)) for _ in range(6)]

    def best(there: list[Landmarks]) -> list[int]:
        return [max(agreement(here, seen), agreement(here, seen.mirrored())) for seen in there]

    assert min(best(same)) >= 9
    assert max(best(different)) < 9


def test_a_mirrored_description_is_that_of_the_mirrored_picture() -> None:
    finder = LandmarkFinder()
    picture = field(1, 3)[:128, :128]
    turned_over = finder.find(np.ascontiguousarray(picture[:, ::-1]))
    assert agreement(finder.find(picture).mirrored(), turned_over) > 20


def test_originals_are_found_without_labels_and_none_is_torn_or_joined() -> None:
    smears, whose = toy_smears(originals=6, each=8)
    finder = LandmarkFinder()
    found = original_of([finder.find(image) for image in smears.images])
    pairs = set(zip(whose, found.tolist(), strict=True))
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}) == 6


def test_pictures_without_landmarks_are_alone() -> None:
    blank = np.full((3, 128, 128, 3), 200, np.uint8)
    finder = LandmarkFinder()
    assert original_of([finder.find(image) for image in blank]).tolist() == [0, 1, 2]
    assert original_of([]).tolist() == []


def test_only_among_large_originals_a_lone_picture_is_a_stray() -> None:
    large = np.array([0] * 12 + [1] * 12 + [2], np.int32)
    assert strays(large).tolist() == [False] * 24 + [True]
    assert not strays(np.arange(5, dtype=np.int32)).any()


def test_other_pictures_of_a_registered_original_are_recognised() -> None:
    smears, whose = toy_smears(originals=5, each=6)
    finder = LandmarkFinder()
    landmarks = [finder.find(image) for image in smears.images]
    folds = np.array([0, 1, 2, 0, 0], np.uint8)
    first = np.array([number % 6 < 3 and one < 4 for number, one in enumerate(whose)])
    rows = np.flatnonzero(first)
    register = make_register(
        [smears.sha256[row] for row in rows],
        np.array(whose, np.int32)[rows],
        folds[:4],
        [landmarks[row] for row in rows],
    )
    placed = place(smears, register)
    known = np.array(whose) < 4
    assert placed.original[known].tolist() == [one for one in whose if one < 4]
    assert placed.fold[known].tolist() == [folds[one] for one in whose if one < 4]
    assert (placed.fold[~known] == NEW).all()
    assert placed.new.tolist() == (~placed.crossed).tolist() == [one == 4 for one in whose]


def test_a_register_is_read_as_written_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    smears, whose = toy_smears(originals=3, each=2)
    finder = LandmarkFinder()
    register = make_register(
        smears.sha256,
        np.array(whose, np.int32),
        np.zeros(3, np.uint8),
        [finder.find(image) for image in smears.images],
    )
    path = tmp_path / "originals.npz"
    save_register(register, path)
    again = load_register(path)
    assert again.known(smears.sha256).tolist() == whose
    assert again.known(["0" * 64]).tolist() == [UNKNOWN]
    assert again.folds == 1
    with pytest.raises(BadInput, match="fold: 32, allowed 0 to 31"):
        replace(register, fold=np.full(3, 32, np.uint8))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInput, match="no register of originals"):
        load_register(path)


def test_folds_have_as_many_originals_of_a_class_each_and_none_is_in_two() -> None:
    original = np.repeat(np.arange(36), 12).astype(np.int32)
    kind = (original % 3).astype(np.int32)
    folds = fold_originals(kind, original, 5, seed=1)
    for index in range(3):
        own = folds[np.arange(36) % 3 == index]
        assert sorted(np.bincount(own, minlength=5).tolist()) == [2, 2, 2, 3, 3]
    assert sorted(np.bincount(folds).tolist()) == [7, 7, 7, 7, 8]
    assert not np.array_equal(folds, fold_originals(kind, original, 5, seed=2))


def test_a_stray_is_in_no_fold_and_too_few_originals_are_refused() -> None:
    original = np.append(np.repeat(np.arange(9), 12), 9).astype(np.int32)
    kind = (original % 3).astype(np.int32)
    assert fold_originals(kind, original, 5, seed=1)[9] == UNPLACED
    with pytest.raises(BadInput, match="monocyte: 1 originals"):
        fold_originals(kind[:60], original[:60], 5, seed=1)


def test_a_stray_of_the_register_is_neither_new_nor_judged_by_a_member() -> None:
    smears, whose = toy_smears(originals=3, each=2)
    finder = LandmarkFinder()
    folds = np.array([0, UNPLACED, 1], np.uint8)
    landmarks = [finder.find(image) for image in smears.images]
    register = make_register(smears.sha256, np.array(whose, np.int32), folds, landmarks)
    placed = place(smears, register)
    assert not placed.new.any()
    assert placed.crossed.tolist() == [one != 1 for one in whose]
