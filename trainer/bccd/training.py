"""Training the classifier of stained cells from a folder of pictures, from originals to a saved model.

Originals are found without looking at labels and split; a model that learnt from the training slice alone is measured
on the selection slice, which is where settings were chosen and the temperature comes from. It then goes on learning
from both, and what is kept is measured once on the held-out slice.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.engine.types import I32, U8
from phenostream.trainer.bccd.evaluation import OnStep, predicted
from phenostream.trainer.bccd.feeding import feed
from phenostream.trainer.bccd.judging import Judged, judge
from phenostream.trainer.bccd.recipe import finishing, views
from phenostream.trainer.bccd.simple_trees import simple_probability
from phenostream.trainer.classifier.checkpoint import (
    Measured,
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
    save_classifier,
)
from phenostream.trainer.classifier.fit import fit
from phenostream.trainer.classifier.model import PictureClassifier, fit_temperature
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.data.bccd.landmarks import LandmarkFinder
from phenostream.trainer.data.bccd.originals import original_of
from phenostream.trainer.data.bccd.register import (
    SLICES,
    UNKNOWN,
    Register,
    load_register,
    make_register,
    save_register,
)
from phenostream.trainer.data.bccd.slices import slice_originals
from phenostream.trainer.data.bccd.smears import Smears
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.training.precision import choose

REGISTER: Final = "originals.npz"
"""File beside the weights that says which originals the model has seen."""
_SLICE_SEED: Final = 9
"""Of the split, whatever the seed of a training: seeds are compared on the same originals."""
_NAME: Final = "phenostream-bccd"
_DESCRIPTION: Final = (
    "White cells on stained smears in three classes, from the TRAIN folder of the BCCD pictures (Kaggle, blood-cells)."
    " Research use only; it says nothing about label-free cells."
)


@dataclass(frozen=True, slots=True)
class _Slices:
    """Crops of each slice."""

    training: Pictures
    selection: Pictures
    held_out: Pictures
    both: Pictures


def train_stained(
    smears: Smears,
    settings: FitSettings,
    out: Path,
    on_step: OnStep = lambda what, more, total: None,
) -> PictureCheckpoint:
    """Train, measure and save a model.

    Args:
        smears: All pictures that may be used, of whatever part.
        settings: Of the training; `recipe.finishing` makes those of its end.
        out: Folder for the checkpoint and its register.
        on_step: For a progress bar.

    Raises:
        BadInput: A class has too few originals.
        EngineFault: The loss is no longer finite.
        OSError: The folder cannot be written.
    """
    register, original = _originals(smears, out / REGISTER, on_step)
    slices = _cut(smears, register.slice[original], original, settings, on_step)
    scaling = Scaling.of(slices.training.images)
    narrow = choose(settings).narrow
    first = _fit(slices.training, settings, scaling, "training", on_step)
    logits = first.predict(slices.selection, views(), narrow).logits
    temperature = fit_temperature(logits, slices.selection.kind)
    last = _fit(
        slices.both, finishing(settings), scaling, "training with both slices", on_step, first
    )
    last.temperature = first.temperature = temperature
    card = _card(slices, settings, scaling, temperature)
    selected = PictureCheckpoint(first, card)
    made = PictureCheckpoint(last, card)
    metrics = [
        *_measured(
            "before it learnt from them, selection originals", selected, slices.selection, on_step
        ),
        *_measured("held-out originals", made, slices.held_out, on_step),
        *_baseline(slices, settings.seed),
    ]
    checkpoint = PictureCheckpoint(last, card.model_copy(update={"metrics": tuple(metrics)}))
    save_classifier(checkpoint, out)
    return checkpoint


def _originals(smears: Smears, path: Path, on_step: OnStep) -> tuple[Register, I32]:
    """Found, and kept beside the model; what is there already is used again where it knows every file."""
    if path.exists():
        register = load_register(path)
        original = register.known(smears.sha256)
        if (original != UNKNOWN).all():
            return register, original
    finder, landmarks = LandmarkFinder(), []
    for image in smears.images:
        landmarks.append(finder.find(image))
        on_step("find landmarks", 1, len(smears))
    original = original_of(
        landmarks, on_done=lambda more: on_step("match originals", more, len(smears))
    )
    slice_of: U8 = slice_originals(smears.kind, original, _SLICE_SEED)
    register = make_register(smears.sha256, original, slice_of, landmarks)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_register(register, path)
    return register, original


def _cut(
    smears: Smears, slice_of: U8, original: I32, settings: FitSettings, on_step: OnStep
) -> _Slices:
    side, total = settings.network.crop_px, len(smears)
    everything = feed(
        smears, np.arange(total), original, side, lambda: on_step("cut out cells", 1, total)
    )
    training, selection, held_out = (
        everything.select(slice_of == SLICES.index(name)) for name in SLICES[:3]
    )
    both = everything.select(slice_of < SLICES.index("held-out"))
    return _Slices(training, selection, held_out, both)


def _fit(
    pictures: Pictures,
    settings: FitSettings,
    scaling: Scaling,
    what: str,
    on_step: OnStep,
    start: PictureClassifier | None = None,
) -> PictureClassifier:
    return fit(
        pictures,
        settings,
        scaling,
        lambda epoch, loss, model: on_step(f"{what}, loss {loss:.3f}", 1, settings.epochs),
        start,
    )


def _card(
    slices: _Slices, settings: FitSettings, scaling: Scaling, temperature: float
) -> PictureCard:
    return PictureCard(
        name=_NAME,
        version=f"{settings.network.crop_px}px-seed{settings.seed}",
        task="bccd",
        synthetic=False,
        description=_DESCRIPTION,
        trained_on=(
            TrainedOn.of("training and selection originals", "training", slices.both),
            TrainedOn.of("selection originals", "selection", slices.selection),
            TrainedOn.of("selection originals", "temperature", slices.selection),
        ),
        settings=settings,
        scaling=scaling,
        temperature=temperature,
        licence="Apache-2.0; trained on pictures published on Kaggle under MIT",
    )


def _measured(
    data: str, checkpoint: PictureCheckpoint, pictures: Pictures, on_step: OnStep
) -> list[Measured]:
    probability = predicted(checkpoint, pictures, on_step)
    return _figures(
        data, judge(pictures.kind, pictures.group, probability, BootstrapSettings()), ""
    )


def _baseline(slices: _Slices, seed: int) -> list[Measured]:
    probability = simple_probability(slices.both, slices.held_out, seed)
    held_out = slices.held_out
    judged = judge(held_out.kind, held_out.group, probability, BootstrapSettings())
    return _figures("held-out originals", judged, "colours, edges and trees: ")


def _figures(data: str, judged: Judged, prefix: str) -> list[Measured]:
    picture, original = judged.by_picture, judged.by_original
    named = {
        "accuracy per picture": picture.accuracy,
        "balanced accuracy per picture": picture.balanced_accuracy,
        "accuracy per original": original.accuracy,
        "balanced accuracy per original": original.balanced_accuracy,
    }
    return [Measured(name=f"{prefix}{name}", data=data, figure=one) for name, one in named.items()]
