"""Training the committee of stained cells from a folder of pictures, from originals to saved members.

Originals are found without looking at labels and dealt into folds. Each member, one per fold and kind of network,
learns from all folds but one, so that every original is judged by members that have not seen it, and the committee has
learnt from all of them. No picture has a say in how long a member learns, nor in the temperature of a member that
judges it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from phenostream.engine.types import CLASSES, F32
from phenostream.trainer.bccd.answers import CROSSED, OnStep, answers, logits
from phenostream.trainer.bccd.feeding import feed
from phenostream.trainer.bccd.judging import Judged, judge
from phenostream.trainer.bccd.members import (
    DESCRIPTION,
    LICENCE,
    NAME,
    StainedTraining,
    train_member,
)
from phenostream.trainer.bccd.recipe import FOLDS
from phenostream.trainer.bccd.registering import register_sha256, registered
from phenostream.trainer.bccd.simple_trees import simple_probability
from phenostream.trainer.classifier.checkpoint import Measured, PictureCheckpoint, TrainedOn
from phenostream.trainer.classifier.committee import Committee, CommitteeCard, save_committee
from phenostream.trainer.classifier.model import fit_temperature
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.data.bccd.register import UNPLACED
from phenostream.trainer.data.bccd.smears import Smears
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings


def prepare(
    smears: Smears,
    settings: tuple[FitSettings, ...],
    out: Path,
    on_step: OnStep = lambda what, more, total: None,
) -> StainedTraining:
    """Find originals and cut out cells; the register is kept in the folder.

    Args:
        smears: All pictures that may be used, of whatever part.
        settings: Per kind of network, as `StainedTraining.settings`; all of one crop.
        out: Folder for members and register.
        on_step: For a progress bar.

    Raises:
        BadInput: A class has too few originals.
        OSError: The folder cannot be written.
    """
    register, original = registered(smears, out, on_step)
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
    trained = [train_member(training, number, on_step) for number in training.numbers]
    members = tuple(
        one
        for kind in range(len(training.settings))
        for one in _warmed(trained[kind * FOLDS :][:FOLDS], training, kind, on_step)
    )
    pictures = training.pictures
    probability = answers(members, pictures, training.fold, FOLDS, on_step)
    card = CommitteeCard(
        name=NAME,
        version=f"{pictures.side_px}px-seed{training.settings[0].seed}-folds{FOLDS}",
        task="bccd",
        synthetic=False,
        description=DESCRIPTION,
        metrics=(
            *_figures(pictures, probability, ""),
            *_figures(pictures, _simple(training, on_step), "colours, edges and trees: "),
        ),
        register_sha256=register_sha256(training.out),
        licence=LICENCE,
    )
    committee = Committee(members, card)
    save_committee(committee, training.out)
    return committee


def _warmed(
    members: Sequence[PictureCheckpoint], training: StainedTraining, kind: int, on_step: OnStep
) -> list[PictureCheckpoint]:
    """Members of one kind, by fold, each with the temperature that suits the others' answers on their folds."""
    pictures = training.pictures
    said = np.zeros((len(pictures), len(CLASSES)), np.float32)
    for fold, one in enumerate(members):
        own = np.flatnonzero(training.fold == fold)
        what = f"temperatures of network {kind + 1}"
        said[own] = logits(one, pictures.select(own), what, len(pictures), on_step)
    warmed = []
    for fold, one in enumerate(members):
        others = pictures.select(training.fold != fold)
        temperature = fit_temperature(said[training.fold != fold], others.kind)
        one.model.temperature = temperature
        crossed = TrainedOn.of(f"{CROSSED}; without fold {fold + 1}", "temperature", others)
        told = {"temperature": temperature, "trained_on": (one.card.trained_on[0], crossed)}
        warmed.append(PictureCheckpoint(one.model, one.card.model_copy(update=told)))
    return warmed


def _simple(training: StainedTraining, on_step: OnStep) -> F32:
    """What trees on colours and edges say of every picture, taught as the members were."""
    pictures = training.pictures
    said = np.zeros((len(pictures), len(CLASSES)), np.float32)
    for fold in range(FOLDS):
        own = training.fold == fold
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
