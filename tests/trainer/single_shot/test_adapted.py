"""Cross-fitted adaptation: nobody is judged by a model fitted to itself."""

from typing import Any

import numpy as np
import pytest
import torch

from phenostream.engine.errors import BadInput
from phenostream.trainer.classifier.model import PictureClassifier
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.single_shot import adapted
from phenostream.trainer.single_shot.adapted import (
    AdaptationSettings,
    cross_fitted,
    fit_norms,
    folds_of,
)
from phenostream.trainer.single_shot.pictures import VIEWS
from tests.trainer.single_shot.toy_shots import random_model, random_pictures

pytestmark = pytest.mark.trainer


def test_folds_are_even_and_seeded() -> None:
    fold = folds_of(23, AdaptationSettings(folds=5))
    assert sorted(np.bincount(fold).tolist()) == [4, 4, 5, 5, 5]
    assert np.array_equal(fold, folds_of(23, AdaptationSettings(folds=5)))
    assert not np.array_equal(fold, folds_of(23, AdaptationSettings(folds=5, seed=1)))


def test_no_picture_is_judged_by_a_model_that_was_fitted_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted_to: list[set[str]] = []
    judged: list[set[str]] = []
    fit, predict = adapted.fit_norms, PictureClassifier.predict

    def watched_fit(model: PictureClassifier, pictures: Pictures, *rest: Any) -> Any:
        fitted_to.append(set(pictures.names))
        return fit(model, pictures, *rest)

    def watched_predict(model: PictureClassifier, pictures: Pictures, *rest: Any) -> Any:
        judged.append(set(pictures.names))
        return predict(model, pictures, *rest)

    monkeypatch.setattr(adapted, "fit_norms", watched_fit)
    monkeypatch.setattr(PictureClassifier, "predict", watched_predict)
    pictures = random_pictures(7)
    cross_fitted(random_model(), pictures, AdaptationSettings(folds=3))
    assert len(fitted_to) == len(judged) == 3
    for seen, own in zip(fitted_to, judged, strict=True):
        assert not seen & own
        assert seen | own == set(pictures.names)
    assert sum(map(len, judged)) == 7


def test_predictions_come_back_in_the_order_of_the_pictures_and_the_model_stays() -> None:
    model, pictures = random_model(), random_pictures(6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = AdaptationSettings(folds=2, seed=2)
    found = cross_fitted(model, pictures, settings)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    fold = folds_of(6, settings)
    row = int(np.flatnonzero(fold == 1)[-1])
    fit_norms(model, pictures.select(fold != 1), settings.prior_pictures)
    alone = model.predict(pictures.select(np.array([row])), VIEWS)
    np.testing.assert_allclose(found.predictions.logits[row], alone.logits[0], atol=1e-5)
    assert len(found.shifts) == sum("running_mean" in name for name in before)


def test_labels_have_no_say() -> None:
    pictures = random_pictures(5)
    others = Pictures(pictures.images, pictures.kind[::-1].copy(), pictures.group, pictures.names)
    one, two = (
        cross_fitted(random_model(), some, AdaptationSettings(folds=2)).predictions.logits
        for some in (pictures, others)
    )
    assert np.array_equal(one, two)


def test_too_few_pictures_or_folds_are_refused() -> None:
    with pytest.raises(BadInput, match="4 pictures: need 5, one for each fold"):
        folds_of(4, AdaptationSettings(folds=5))
    with pytest.raises(BadInput, match="folds: 1, allowed 2 or more"):
        AdaptationSettings(folds=1)
