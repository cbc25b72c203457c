"""Training on simulated single shots: it runs, and what it leaves says that it is synthetic."""

from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.classifier.committee import load_committee
from phenostream.trainer.classifier.pyramid import PyramidOptions
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.single_shot.pictures import VIEWS
from phenostream.trainer.single_shot.training import SingleShotSettings, train_single_shot
from phenostream.trainer.single_shot.weights import load_single_shot
from tests.trainer.single_shot.toy_shots import NETWORK, random_pictures

pytestmark = pytest.mark.trainer


def test_a_short_training_gives_a_checkpoint_that_says_what_it_is(tmp_path: Path) -> None:
    fit = FitSettings(epochs=1, pictures_per_epoch=64, seed=3)
    members = (NETWORK, PyramidOptions(crop_px=64, widths=(4, 4, 4)))
    settings = SingleShotSettings(out=tmp_path, objects=40, held_out=40, fit=fit, members=members)
    drawn: list[None] = []
    told: list[int] = []
    train_single_shot(settings, lambda: drawn.append(None), lambda number, *_: told.append(number))
    assert len(drawn) == 120
    assert told == [1, 1]
    found = load_single_shot(tmp_path)
    card = found.card
    assert card.synthetic
    assert "synthetic" in card.description
    assert len(card.metrics) == 4
    assert all("SYNTHETIC" in one.data for one in card.metrics)
    for number, member in enumerate(found.members):
        assert member.card.settings.network == members[number]
        assert member.card.settings.seed == 3 + number
        assert {one.use for one in member.card.trained_on} == {"training", "temperature"}
        assert len({one.sha256 for one in member.card.trained_on}) == 2
    model = found.members[0].model
    assert np.isfinite(model.predict(random_pictures(5), VIEWS).logits).all()
    with pytest.raises(BadInput, match="a model for single-shot; needed one for bccd"):
        load_committee(tmp_path, "bccd")
