"""Training the committee of stained cells from a folder of pictures, from originals to saved members.

Originals are found without looking at labels and dealt into folds. Each member, one per fold and kind of network,
learns from all folds but one, so that every original is judged by members that have not seen it, and the committee has
learnt from all of them. No picture has a say in how long a member learns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, F32, I32, U8
from phenostream.trainer.bccd.answers import CROSSED, OnStep, answers, logits
from phenostream.trainer.bccd.feeding import feed
from phenostream.trainer.bccd.judging import Judged, judge
from phenostream.trainer.bccd.recipe import FOLDS
from phenostream.trainer.bccd.simple_trees import simple_probability
from phenostream.trainer.classifier.checkpoint import (
    Measured,
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
    load_classifier,
    save_classifier,
)
from phenostream.trainer.classifier.committee import (
    COMMITTEE,
    Committee,
    CommitteeCard,
    member_folder,
    save_committee,
)
from phenostream.trainer.classifier.fit import fit
from phenostream.trainer.classifier.model import fit_temperature
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.data.bccd.folds import fold_originals
from phenostream.trainer.data.bccd.landmarks import LandmarkFinder
from phenostream.trainer.data.bccd.originals import original_of
from phenostream.trainer.data.bccd.register import (
    UNKNOWN,
    UNPLACED,
    Register,
    load_register,
    make_register,
    save_register,
)
from phenostream.trainer.data.bccd.smears import Smears
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings

REGISTER: Final = "originals.npz"
"""File beside the members that says which of them has not seen an original."""
_FOLD_SEED: Final = 9
"""Of the folds, whatever the seed of a training: seeds are compared on the same originals."""
_NAME: Final = "phenostream-bccd"
_DESCRIPTION: Final = (
    "White cells on stained smears in three classes, from the TRAIN folder of the BCCD pictures (Kaggle, blood-cells)."
    " Research use only; it says nothing about label-free cells."
)
_LICENCE: Final = "Apache-2.0; trained on pictures published on Kaggle under MIT"


@dataclass(frozen=True, slots=True)
class StainedTraining:
    """What members learn from, and how.

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
        """Of all members: those of the first kind of network by fold, then those of the next."""
        return range(FOLDS * len(self.settings))

    def member(self, number: int, on_step: OnStep = lambda what, more, total: None) -> PictureCheckpoint:  # fmt: skip
        """Train one and put it into the folder; one that is there with the same pictures and settings is kept.

        Args:
            number: Of `numbers`.
            on_step: For a progress bar.

        Raises:
            BadInput: A class has no picture in the other folds.
            EngineFault: The loss is no longer finite.
            OSError: The folder cannot be written.
        """
        folder = self.out / member_folder(number)
        card = self._card(number)
        try:
            there = load_classifier(folder, "bccd")
        except BadInput:
            there = None
        if there and (there.card.settings, there.card.trained_on[:1]) == (card.settings, card.trained_on):  # fmt: skip
            return there
        what = f"member {number + 1} of {len(self.numbers)}"
        model = fit(
            self.pictures.select(self.fold != number % FOLDS),
            card.settings,
            card.scaling,
            lambda epoch, loss, model: on_step(f"{what}, loss {loss:.3f}", 1, card.settings.epochs),
        )
        save_classifier(PictureCheckpoint(model, card), folder)
        return load_classifier(folder, "bccd")  # with its weights rounded as they are kept

    def _card(self, number: int) -> PictureCard:
        kind, fold = divmod(number, FOLDS)
        first = self.settings[kind]
        settings = first.model_copy(update={"seed": first.seed + fold})
        learnt = self.pictures.select(self.fold != fold)
        return PictureCard(
            name=_NAME,
            version=f"{settings.network.crop_px}px-seed{settings.seed}-without-fold{fold + 1}",
            task="bccd",
            synthetic=False,
            description=_DESCRIPTION,
            trained_on=(TrainedOn.of(f"originals without fold {fold + 1}", "training", learnt),),
            settings=settings,
            scaling=Scaling.of(learnt.images),
            temperature=1.0,
            licence=_LICENCE,
        )


def prepare(
    smears: Smears,
    settings: tuple[FitSettings, ...],
    out: Path,
    on_step: OnStep = lambda what, more, total: None,
) -> StainedTraining:
    """Find originals and cut out cells; the register is kept in the folder.

    Args:
        smears: All pictures that may be used, of whatever part.
        settings: Per kind of network, as `StainedTraining.settings`.
        out: Folder for members and register.
        on_step: For a progress bar.

    Raises:
        BadInput: A class has too few originals.
        OSError: The folder cannot be written.
    """
    register, original = _originals(smears, out / REGISTER, on_step)
    fold = register.fold[original]
    rows = np.flatnonzero(fold != UNPLACED)
    side, total = settings[0].network.crop_px, len(rows)
    pictures = feed(smears, rows, original, side, lambda: on_step("cut out cells", 1, total))
    return StainedTraining(pictures, fold[rows], settings, out)


def train_stained(
    training: StainedTraining, on_step: OnStep = lambda what, more, total: None
) -> Committee:
    """Train the members that are not there yet, set their temperatures, measure, and save the committee.

    Raises:
        BadInput: A class has no picture in the other folds.
        EngineFault: The loss is no longer finite.
        OSError: The folder cannot be written.
    """
    members = [training.member(number, on_step) for number in training.numbers]
    pictures = training.pictures
    members = [
        one
        for kind in range(len(training.settings))
        for one in _warmed(members[kind * FOLDS :][:FOLDS], training, on_step)
    ]
    probability = answers(members, pictures, training.fold, FOLDS, on_step)
    metrics = (
        *_figures(pictures, probability, ""),
        *_figures(pictures, _simple(training, on_step), "colours, edges and trees: "),
    )
    committee = Committee(
        tuple(members),
        CommitteeCard(
            name=_NAME,
            version=f"{pictures.side_px}px-seed{training.settings[0].seed}-folds{FOLDS}",
            task="bccd",
            synthetic=False,
            description=_DESCRIPTION,
            metrics=metrics,
            licence=_LICENCE,
        ),
    )
    save_committee(committee, training.out)
    return committee


def _warmed(
    members: Sequence[PictureCheckpoint], training: StainedTraining, on_step: OnStep
) -> list[PictureCheckpoint]:
    """Members of one kind, by fold, with the temperature under which their answers on their folds are likeliest."""
    pictures = training.pictures
    said = np.zeros((len(pictures), len(CLASSES)), np.float32)
    for fold, one in enumerate(members):
        own = np.flatnonzero(training.fold == fold)
        said[own] = logits(one, pictures.select(own), "fit temperature", len(pictures), on_step)
    temperature = fit_temperature(said, pictures.kind)
    crossed = TrainedOn.of(CROSSED, "temperature", pictures)
    warmed = []
    for one in members:
        one.model.temperature = temperature
        told = {"temperature": temperature, "trained_on": (one.card.trained_on[0], crossed)}
        warmed.append(PictureCheckpoint(one.model, one.card.model_copy(update=told)))
    return warmed


def _originals(smears: Smears, path: Path, on_step: OnStep) -> tuple[Register, I32]:
    """Found, and kept beside the members; what is there already is used again where it knows every file."""
    if path.exists():
        register = load_register(path)
        original = register.known(smears.sha256)
        if (original != UNKNOWN).all() and register.folds == FOLDS:
            return register, original
    finder, landmarks = LandmarkFinder(), []
    for image in smears.images:
        landmarks.append(finder.find(image))
        on_step("find landmarks", 1, len(smears))
    original = original_of(
        landmarks, on_done=lambda more: on_step("match originals", more, len(smears))
    )
    fold = fold_originals(smears.kind, original, FOLDS, _FOLD_SEED)
    register = make_register(smears.sha256, original, fold, landmarks)
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / COMMITTEE).unlink(missing_ok=True)  # its members have seen other folds
    save_register(register, path)
    return register, original


def _simple(training: StainedTraining, on_step: OnStep) -> F32:
    """What trees on colours and edges say of every picture, taught as the members were."""
    pictures = training.pictures
    said = np.zeros((len(pictures), len(CLASSES)), np.float32)
    for number in range(FOLDS):
        own = training.fold == number
        said[own] = simple_probability(
            pictures.select(~own), pictures.select(own), training.settings[0].seed
        )
        on_step("trees to compare with", 1, FOLDS)
    return said


def _figures(pictures: Pictures, probability: F32, prefix: str) -> list[Measured]:
    judged: Judged = judge(pictures.kind, pictures.group, probability, BootstrapSettings())
    picture, original = judged.by_picture, judged.by_original
    named = {
        "accuracy per picture": picture.accuracy,
        "balanced accuracy per picture": picture.balanced_accuracy,
        "accuracy per original": original.accuracy,
        "balanced accuracy per original": original.balanced_accuracy,
    }
    return [
        Measured(name=f"{prefix}{name}", data=CROSSED, figure=one) for name, one in named.items()
    ]
