"""Judging cells after the model's normalisation was fitted to other, unlabelled cells of the same source.

Cross-fitted: the cells are dealt into folds, and each fold is judged by a model that was fitted to the pictures of the
other folds, of whatever kind, without a look at any label. It is adaptation to real pictures, not zero-shot.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch

from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32
from phenostream.trainer.adaptation.norms import LayerShift, adapt_norms
from phenostream.trainer.classifier.model import PictureClassifier, PicturePredictions
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.single_shot.pictures import VIEWS


@dataclass(frozen=True, slots=True)
class AdaptationSettings:
    """How the normalisation is fitted.

    Attributes:
        folds: The cells are dealt into so many; 2 or more.
        prior_pictures: The training's statistics count as so many pictures beside those of the other folds.
        seed: Of the dealing.
    """

    folds: int = 5
    prior_pictures: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise BadInput(f"folds: {self.folds}, allowed 2 or more")


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """What the adapted models say.

    Attributes:
        predictions: Of every picture, by the model that was not fitted to it.
        shifts: How far each layer moved, the mean over folds.
    """

    predictions: PicturePredictions
    shifts: tuple[LayerShift, ...]


def cross_fitted(
    model: PictureClassifier, pictures: Pictures, settings: AdaptationSettings
) -> CrossFitted:
    """Judge every picture by a copy of the model fitted to the pictures of the other folds; the model itself stays.

    Raises:
        BadInput: Fewer pictures than folds, or a model without batch normalisation.
    """
    fold = folds_of(len(pictures), settings)
    columns: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]] = {}
    order, moved = [], []
    for index in range(settings.folds):
        fitted = copy.deepcopy(model)
        moved.append(fit_norms(fitted, pictures.select(fold != index), settings.prior_pictures))
        own = np.flatnonzero(fold == index)
        said = fitted.predict(pictures.select(own), VIEWS)
        order.append(own)
        for name in PicturePredictions.__dataclass_fields__:
            columns.setdefault(name, []).append(getattr(said, name))
    back = np.argsort(np.concatenate(order))
    whole = {name: np.concatenate(parts)[back] for name, parts in columns.items()}
    return CrossFitted(PicturePredictions(**whole), _mean_shifts(moved))


def fit_norms(
    model: PictureClassifier, pictures: Pictures, prior_pictures: float = 0.0
) -> tuple[LayerShift, ...]:
    """Fit a model's normalisation, in place, to pictures of which only the pixels are used, in every view."""
    pixels = torch.from_numpy(pictures.images)
    return adapt_norms(
        model, [view(pixels) for view in VIEWS], prior_inputs=len(VIEWS) * prior_pictures
    )


def folds_of(count: int, settings: AdaptationSettings) -> I32:
    """(N,) the fold of each of so many pictures, as even as can be, at random.

    Raises:
        BadInput: Some fold would be empty.
    """
    if count < settings.folds:
        raise BadInput(f"{count} pictures: need {settings.folds}, one for each fold")
    dealt = np.arange(count, dtype=np.int32) % settings.folds
    rng = np.random.default_rng(settings.seed)
    shuffled: I32 = rng.permutation(dealt)
    return shuffled


def _mean_shifts(folds: list[tuple[LayerShift, ...]]) -> tuple[LayerShift, ...]:
    return tuple(
        LayerShift(
            layers[0].layer,
            float(np.mean([one.mean for one in layers])),
            float(np.mean([one.log_sd for one in layers])),
        )
        for layers in zip(*folds, strict=True)
    )
