"""Training on simulated single shots: it runs, and what it leaves says that it is synthetic."""

from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.classifier.checkpoint import load_classifier
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.single_shot.pictures import VIEWS
from phenostream.trainer.single_shot.training import SingleShotSettings, train_single_shot
from phenostream.trainer.single_shot.weights import load_single_shot
from tests.trainer.single_shot.toy_shots import NETWORK, random_pictures

pytestmark = pytest.mark.trainer


def test_a_short_training_gives_a_checkpoint_that_says_what_it_is(tmp_path: Path) -> None:
    fit = FitSettings(epochs=1, pictures_per_epoch=64, network=NETWORK)
    settings = SingleShotSettings(out=tmp_path, objects=40, held_out=40, fit=fit)
    drawn: list[None] = []
    told: list[int] = []
    train_single_shot(settings, lambda: drawn.append(None), lambda number, *_: told.append(number))
    assert len(drawn) == 120
    assert told == [1]
    model, card = (found := load_single_shot(tmp_path)).model, found.card
    assert card.synthetic
    assert "synthetic" in card.description
    assert {one.use for one in card.trained_on} == {"training", "temperature"}
    assert len({one.sha256 for one in card.trained_on}) == 2
    assert all("SYNTHETIC" in one.data for one in card.metrics)
    assert np.isfinite(model.predict(random_pictures(5), VIEWS).logits).all()
    with pytest.raises(BadInput, match="a model for single-shot; needed one for bccd"):
        load_classifier(tmp_path, "bccd")
