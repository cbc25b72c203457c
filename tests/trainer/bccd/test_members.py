"""What a member learns from, when it is trained again, and which register goes with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.trainer.bccd import members
from phenostream.trainer.bccd.members import StainedTraining, train_member
from phenostream.trainer.bccd.recipe import FOLDS, recipes
from phenostream.trainer.bccd.registering import registered
from phenostream.trainer.classifier.model import PictureClassifier
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.pyramid import PyramidOptions
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings
from tests.trainer.data.bccd.toy_smears import toy_smears

pytestmark = pytest.mark.trainer
NETWORK = PyramidOptions(widths=(8,), inputs="rgb", crop_px=28)


def nothing(what: str, more: int, total: int) -> None:
    """No progress bar."""


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[int], int]]:
    """Originals and seed of each training, none of which takes any time."""
    seen: list[tuple[set[int], int]] = []

    def fit(pictures: Pictures, settings: FitSettings, scaling: Scaling, *_: Any) -> PictureClassifier:  # fmt: skip
        seen.append((set(pictures.group.tolist()), settings.seed))
        return PictureClassifier(settings.network, scaling)

    monkeypatch.setattr(members, "fit", fit)
    return seen


@pytest.fixture
def training(tmp_path: Path) -> StainedTraining:
    """Ten originals of two pictures, two in each fold."""
    group = np.repeat(np.arange(10, dtype=np.int32), 2)
    images = np.random.default_rng(0).integers(0, 255, (20, 3, 28, 28)).astype(np.uint8)
    pictures = Pictures(images, group % 3, group, tuple(map(str, range(20))))
    settings = tuple(one.model_copy(update={"network": NETWORK}) for one in recipes())
    return StainedTraining(pictures, (group % FOLDS).astype(np.uint8), settings, tmp_path)


def test_no_member_learns_from_its_fold_and_each_has_a_seed_of_its_own(
    training: StainedTraining, learnt: list[tuple[set[int], int]]
) -> None:
    for number in training.numbers:
        train_member(training, number)
    for number, (originals, _) in enumerate(learnt):
        fold = number % FOLDS
        assert originals == set(range(10)) - {fold, fold + FOLDS}
    assert len({seed for _, seed in learnt}) == len(training.numbers) == 2 * FOLDS


def test_a_member_of_the_same_pictures_and_settings_is_kept_and_any_other_one_replaced(
    training: StainedTraining, learnt: list[tuple[set[int], int]]
) -> None:
    train_member(training, 2)
    threads = tuple(one.model_copy(update={"threads": 2}) for one in training.settings)
    train_member(replace(training, settings=threads), 2)
    assert len(learnt) == 1
    seeds = tuple(one.model_copy(update={"seed": one.seed + 90}) for one in training.settings)
    train_member(replace(training, settings=seeds), 2)
    train_member(replace(training, fold=(training.fold + 1) % FOLDS), 2)
    (training.out / "member-3" / "card.json").write_text("{")
    train_member(training, 2)
    assert len(learnt) == 4


def test_a_member_that_is_replaced_takes_the_list_of_the_committee_away(
    training: StainedTraining, learnt: list[tuple[set[int], int]]
) -> None:
    listed = training.out / "committee.json"
    listed.write_text("{}")
    train_member(training, 0)
    assert not listed.exists()
    listed.write_text("{}")
    train_member(training, 0)
    assert listed.exists()


def test_a_register_is_used_again_only_where_it_knows_every_file_in_every_fold(
    tmp_path: Path,
) -> None:
    smears, _ = toy_smears(originals=9, each=4)
    first, original = registered(smears, tmp_path, nothing)
    written = (tmp_path / "originals.npz").read_bytes()
    steps: list[str] = []
    again, same = registered(smears, tmp_path, lambda what, more, total: steps.append(what))
    assert steps == []
    assert np.array_equal(original, same)
    assert np.array_equal(first.fold, again.fold)
    (tmp_path / "committee.json").write_text("{}")
    (tmp_path / "originals.npz").write_bytes(written[:-50])  # damaged, or of an earlier version
    registered(smears, tmp_path, nothing)
    assert (tmp_path / "originals.npz").read_bytes() == written
    assert not (tmp_path / "committee.json").exists()
    others, _ = toy_smears(originals=9, each=4, seed=3)
    registered(others, tmp_path, nothing)
    assert (tmp_path / "originals.npz").read_bytes() != written
