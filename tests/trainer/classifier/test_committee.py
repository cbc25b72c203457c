"""Several classifiers as one: their mean, their files, and folders that are not what they say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from phenostream.engine.errors import BadInput
from phenostream.trainer.classifier.checkpoint import (
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
    save_classifier,
)
from phenostream.trainer.classifier.committee import (
    COMMITTEE,
    Committee,
    CommitteeCard,
    load_committee,
    pooled,
    save_committee,
)
from phenostream.trainer.classifier.model import PictureClassifier, PicturePredictions
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.pyramid import PyramidOptions
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings

pytestmark = pytest.mark.trainer
CARD = CommitteeCard(
    name="toy",
    version="1",
    task="single-shot",
    synthetic=True,
    description="Random weights.",
    licence="Apache-2.0",
)


def at(side_px: int, count: int = 6) -> Pictures:
    """The same noise at any side that 4 divides."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 1, 4, 4), dtype=np.uint8)
    index = np.arange(count, dtype=np.int32)
    planes = coarse.repeat(side_px // 4, 2).repeat(side_px // 4, 3)
    return Pictures(planes, index % 5, index, tuple(map(str, index)))


def member(side_px: int, seed: int) -> PictureCheckpoint:
    torch.manual_seed(seed)
    network = PyramidOptions.model_validate({"crop_px": side_px, "widths": (4, 8)})
    model = PictureClassifier(network, Scaling(), temperature=0.5 + seed).eval()
    card = PictureCard(
        name="toy",
        version=f"1-{side_px}px-seed{seed}",
        task="single-shot",
        synthetic=True,
        description="Random weights.",
        trained_on=(TrainedOn.of("noise", "training", at(28)),),
        settings=FitSettings(network=network, seed=seed),
        scaling=Scaling(),
        temperature=model.temperature,
        licence="Apache-2.0",
    )
    return PictureCheckpoint(model, card)


def said(one: PictureCheckpoint, pictures: Pictures) -> PicturePredictions:
    return one.model.predict(pictures)


@pytest.fixture
def committee() -> Committee:
    return Committee((member(28, 1), member(64, 2)), CARD)


def test_it_says_the_mean_of_what_its_members_say_each_at_its_own_side(
    committee: Committee,
) -> None:
    together = committee.predict(at, said)
    one, two = (said(m, at(m.model.options.crop_px)) for m in committee.members)
    assert not np.allclose(one.probability, two.probability, atol=1e-3)
    np.testing.assert_allclose(
        together.probability, (one.probability + two.probability) / 2, atol=1e-6
    )
    np.testing.assert_allclose(
        together.reject_probability,
        (one.reject_probability + two.reject_probability) / 2,
        atol=1e-6,
    )
    np.testing.assert_allclose(np.exp(together.logits), together.probability, atol=1e-6)


def test_a_class_that_nobody_holds_possible_has_a_finite_logit() -> None:
    sure = PicturePredictions(
        np.zeros((1, 3), np.float32), np.eye(3, dtype=np.float32)[:1], np.zeros(1, np.float32)
    )
    assert np.isfinite(pooled([sure, sure]).logits).all()


def test_it_comes_back_from_disk(committee: Committee, tmp_path: Path) -> None:
    again = load_committee(save_committee(committee, tmp_path), "single-shot")
    assert [one.card.version for one in again.members] == ["1-28px-seed1", "1-64px-seed2"]
    assert again.card.model_copy(update={"members": ()}) == CARD
    np.testing.assert_allclose(
        again.predict(at, said).probability, committee.predict(at, said).probability, atol=5e-3
    )


def test_a_model_that_was_in_the_folder_before_is_gone(
    committee: Committee, tmp_path: Path
) -> None:
    save_classifier(member(28, 1), tmp_path)
    save_committee(committee, tmp_path)
    (tmp_path / COMMITTEE).unlink()
    with pytest.raises(BadInput, match="not a committee of picture classifiers"):
        load_committee(tmp_path, "single-shot")


def test_a_single_checkpoint_is_a_committee_of_one(tmp_path: Path) -> None:
    alone = load_committee(save_classifier(member(28, 1), tmp_path), "single-shot")
    assert len(alone.members) == 1
    assert (alone.card.name, alone.card.version) == ("toy", "1-28px-seed1")


def test_a_member_that_is_not_the_one_listed_is_refused(
    committee: Committee, tmp_path: Path
) -> None:
    save_committee(committee, tmp_path)
    save_classifier(member(64, 9), tmp_path / "member-2")
    with pytest.raises(BadInput, match=r"member-2: weights [0-9a-f]{16}, committee.json says"):
        load_committee(tmp_path, "single-shot")


def test_for_another_task_it_is_refused(committee: Committee, tmp_path: Path) -> None:
    save_committee(committee, tmp_path)
    with pytest.raises(BadInput, match="a model for single-shot; needed one for bccd"):
        load_committee(tmp_path, "bccd")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{" * 100_000,
        json.dumps(CARD.model_dump(mode="json")).encode(),
        json.dumps(
            CARD.model_dump(mode="json")
            | {"members": [{"folder": "../x", "weights_sha256": "0" * 64}]}
        ).encode(),
    ],
    ids=["empty", "a list", "deep", "nobody", "a folder elsewhere"],
)
def test_a_list_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / COMMITTEE).write_bytes(content)
    with pytest.raises(BadInput, match="not a committee of picture classifiers") as refused:
        load_committee(tmp_path, "single-shot")
    assert "\n" not in str(refused.value)


def test_an_empty_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a committee of picture classifiers"):
        load_committee(tmp_path, "single-shot")
