"""Training a picture classifier, what it says, and how it is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch

from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32
from phenostream.trainer.classifier.checkpoint import (
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
    load_classifier,
    save_classifier,
)
from phenostream.trainer.classifier.fit import drawing_chances, fit
from phenostream.trainer.classifier.model import (
    PictureClassifier,
    fit_temperature,
    square_views,
    upside_down,
)
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.network.network_options import NetworkOptions

pytestmark = pytest.mark.trainer

SHAPE = NetworkOptions(tasks="classes", inputs="single", cnn=False)


def discs(count: int, kinds: int = 4, seed: int = 0) -> Pictures:
    """Kinds are discs of different sizes on noise: a network learns them in seconds."""
    rng = np.random.default_rng(seed)
    kind: I32 = (np.arange(count) % kinds).astype(np.int32)
    y, x = np.mgrid[:28, :28] - 13.5
    inside = np.hypot(y, x)[None] < np.array([3, 6, 9, 12])[kind][:, None, None]
    images = 90 + 80 * inside + rng.normal(0, 8, (count, 28, 28))
    return Pictures(
        images.clip(0, 255).astype(np.uint8)[:, None],
        kind,
        (np.arange(count) // kinds).astype(np.int32),
        tuple(map(str, range(count))),
    )


def settings(**other: object) -> FitSettings:
    chosen = {"epochs": 3, "batch": 16, "peak_rate": 2e-3, "precision": "fp32", "network": SHAPE}
    return FitSettings.model_validate(chosen | other)


@pytest.fixture(scope="module")
def trained() -> PictureClassifier:
    return fit(discs(320), settings(average=0.9, epochs=9), Scaling.of(discs(320).images))


def test_it_learns_classes_and_what_to_reject(trained: PictureClassifier) -> None:
    test = discs(80, seed=1)
    said = trained.predict(test)
    white = test.white
    assert (said.predicted[white] == test.kind[white]).mean() > 0.95
    assert said.reject_probability[~white].min() > said.reject_probability[white].max()
    np.testing.assert_allclose(said.probability.sum(axis=1), 1, atol=1e-5)


def test_the_same_seed_gives_the_same_weights() -> None:
    few = discs(48)
    one, two = (fit(few, settings(epochs=1, average=0.5), Scaling()) for _ in range(2))
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_without_anything_foreign_nothing_is_rejected() -> None:
    model = fit(discs(48, kinds=3), settings(epochs=1), Scaling())
    assert model.predict(discs(8)).reject_probability.max() < 1e-30


def test_cells_are_drawn_alike_however_many_pictures_they_have() -> None:
    few = discs(24)
    crowded = few.select(np.array([0] * 300 + list(range(24))))
    chance = drawing_chances(crowded, "groups")
    assert chance.sum() == pytest.approx(1)
    assert chance[:301].sum() == pytest.approx(1 / 24)
    by_kind = drawing_chances(crowded, "kinds")
    assert by_kind[crowded.kind == 0].sum() == pytest.approx(1 / 4)


def test_several_views_are_one_opinion(trained: PictureClassifier) -> None:
    test = discs(12, seed=2)
    said = trained.predict(test, square_views())
    turned = Pictures(np.rot90(test.images, 1, (2, 3)).copy(), test.kind, test.group, test.names)
    np.testing.assert_allclose(
        trained.predict(turned, square_views()).logits, said.logits, atol=1e-4
    )
    x = torch.from_numpy(test.images)
    assert torch.equal(upside_down(upside_down(x)), x)


def test_a_class_without_pictures_is_refused() -> None:
    with pytest.raises(BadInput, match="no monocyte"):
        fit(discs(40, kinds=2), settings(), Scaling())


def test_pictures_of_another_size_are_refused(trained: PictureClassifier) -> None:
    images = np.zeros((1, 1, 32, 32), np.uint8)
    odd = Pictures(images, np.zeros(1, np.int32), np.zeros(1, np.int32), ("odd",))
    with pytest.raises(BadInput, match="this model takes"):
        trained.predict(odd)
    assert len(trained.predict(discs(4).select(np.zeros(4, bool))).logits) == 0


def test_the_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 3))
    kind = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1).astype(np.int32)
    assert fit_temperature((3 * logits).astype(np.float32), kind) == pytest.approx(3, rel=0.1)


def checkpoint(model: PictureClassifier) -> PictureCheckpoint:
    card = PictureCard(
        name="discs",
        version="1",
        task="single-shot",
        synthetic=True,
        description="Discs.",
        trained_on=(TrainedOn.of("discs", "training", discs(320)),),
        settings=settings(average=0.9, epochs=9),
        scaling=Scaling.of(discs(320).images),
        temperature=1.5,
        licence="Apache-2.0",
    )
    return PictureCheckpoint(model, card)


def test_a_kept_model_says_what_it_said(trained: PictureClassifier, tmp_path: Path) -> None:
    save_classifier(checkpoint(trained), tmp_path / "m")
    read = load_classifier(tmp_path / "m", "single-shot")
    test = discs(16, seed=3)
    np.testing.assert_allclose(
        read.model.predict(test).logits, trained.predict(test).logits, atol=0.02
    )
    assert read.model.temperature == 1.5
    assert read.card.trained_on[0].groups == 80


def test_what_was_altered_or_is_for_something_else_is_refused(
    trained: PictureClassifier, tmp_path: Path
) -> None:
    folder = save_classifier(checkpoint(trained), tmp_path / "m")
    with pytest.raises(BadInput, match="a model for single-shot; needed one for bccd"):
        load_classifier(folder, "bccd")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BadInput, match="the card says"):
        load_classifier(folder, "single-shot")
    with pytest.raises(BadInput, match=r"none: not a picture classifier"):
        load_classifier(tmp_path / "none", "single-shot")
