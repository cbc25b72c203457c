"""One member of the committee of stained cells: what it learns from, trained and put into its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadInput
from phenostream.engine.types import U8
from phenostream.trainer.bccd.answers import OnStep
from phenostream.trainer.bccd.recipe import FOLDS
from phenostream.trainer.classifier.checkpoint import (
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
    load_classifier,
    save_classifier,
)
from phenostream.trainer.classifier.committee import COMMITTEE, member_folder
from phenostream.trainer.classifier.fit import fit
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings

NAME: Final = "phenostream-bccd"
DESCRIPTION: Final = (
    "White cells on stained smears in three classes, from the TRAIN folder of the BCCD pictures (Kaggle, blood-cells)."
    " Research use only; it says nothing about label-free cells."
)
LICENCE: Final = "Apache-2.0; trained on pictures published on Kaggle under MIT"


@dataclass(frozen=True, slots=True)
class StainedTraining:
    """What members learn from, and how.

    Members are numbered by kind of network, and within it by the fold that they do not see.

    Attributes:
        pictures: N crops, without strays; groups are originals.
        fold: (N,) its fold, from 0.
        settings: Per kind of network, of the member that does not see the first fold; those of further folds have the
            next seeds.
        out: Folder of the committee.
    """

    pictures: Pictures
    fold: U8
    settings: tuple[FitSettings, ...]
    out: Path

    @property
    def numbers(self) -> range:
        """Of all members."""
        return range(FOLDS * len(self.settings))

    def settings_of(self, number: int) -> FitSettings:
        """Of this member."""
        kind, fold = divmod(number, FOLDS)
        first = self.settings[kind]
        return first.model_copy(update={"seed": first.seed + fold})

    def learnt(self, number: int) -> Pictures:
        """What this member learns from: all folds but its own."""
        return self.pictures.select(self.fold != number % FOLDS)


def train_member(
    training: StainedTraining,
    number: int,
    on_step: OnStep = lambda what, more, total: None,
) -> PictureCheckpoint:
    """Train a member and put it into the folder, where it takes the place of the committee that was there.

    One that is there, of the same pictures and settings (`threads` and `device` do not count), is kept.

    Raises:
        BadInput: A class has no picture in the other folds.
        EngineFault: The loss is no longer finite.
        OSError: The folder cannot be written.
    """
    folder = training.out / member_folder(number)
    learnt, settings = training.learnt(number), training.settings_of(number)
    card = _card(settings, learnt, number % FOLDS)
    there = _same(folder, card)
    if there is not None:
        return there
    what = f"member {number + 1} of {len(training.numbers)}"
    model = fit(
        learnt,
        settings,
        card.scaling,
        lambda epoch, loss, model: on_step(f"{what}, loss {loss:.3f}", 1, settings.epochs),
    )
    (training.out / COMMITTEE).unlink(missing_ok=True)
    save_classifier(PictureCheckpoint(model, card), folder)
    return load_classifier(folder, "bccd")  # with its weights rounded as they are kept


def _same(folder: Path, card: PictureCard) -> PictureCheckpoint | None:
    try:
        there = load_classifier(folder, "bccd")
    except BadInput:
        return None
    same = _what_counts(there.card.settings) == _what_counts(card.settings)
    return there if same and there.card.trained_on[:1] == card.trained_on else None


def _what_counts(settings: FitSettings) -> FitSettings:
    return settings.model_copy(update={"threads": 1, "device": "auto"})


def _card(settings: FitSettings, learnt: Pictures, fold: int) -> PictureCard:
    return PictureCard(
        name=NAME,
        version=f"{settings.network.crop_px}px-seed{settings.seed}-without-fold{fold + 1}",
        task="bccd",
        synthetic=False,
        description=DESCRIPTION,
        trained_on=(TrainedOn.of(f"originals without fold {fold + 1}", "training", learnt),),
        settings=settings,
        scaling=Scaling.of(learnt.images),
        temperature=1.0,
        licence=LICENCE,
    )
