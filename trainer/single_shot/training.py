"""Training the single-shot model on simulated cells alone, and measuring it on simulated cells of other sites.

No real picture is opened here. What the figures say is synthetic; how real cells fare is `figures`' affair.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from phenostream.trainer.classifier.checkpoint import (
    Measured,
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
    save_classifier,
)
from phenostream.trainer.classifier.fit import OnEpoch, fit
from phenostream.trainer.classifier.model import PictureClassifier, fit_temperature
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import AugmentationSettings, FitSettings
from phenostream.trainer.evaluation.figures import ranks
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.figures.classification import (
    class_table,
    macro,
    recalls,
)
from phenostream.trainer.network.network_options import NetworkOptions
from phenostream.trainer.single_shot.figures import mean_auroc
from phenostream.trainer.single_shot.pictures import VIEWS, network_planes
from phenostream.trainer.single_shot.simulated import Part, ShotSettings, simulated_shots

VERSION: Final = "1"
_DESCRIPTION: Final = (
    "Class of a white cell from one DPC shot, and whether it is one."
    " Trained on simulated cells only: synthetic."
)
_AUGMENTATION: Final = AugmentationSettings(
    flips="rows", rotation_deg=10, scale=0.03, shift=0.03, noise=0.02, blur_px=0.6, gamma=0.1
)
_NETWORK: Final = NetworkOptions(inputs="single", tasks="classes", crop_px=28, vit=False)
"""The convolutional branch alone: the transformer has no batch normalisation, so that adaptation does not reach it."""


class SingleShotSettings(BaseModel):
    """One training; the same settings give the same model on the same machine.

    Attributes:
        out: Folder for the checkpoint and the cached pictures.
        objects: Simulated cells to learn from, four pictures each.
        held_out: Others, of other sites, for the temperature, and as many for the figures.
        fit: Of the network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    objects: Annotated[int, Field(ge=20, le=100_000)] = 2_200
    held_out: Annotated[int, Field(ge=20, le=20_000)] = 400
    fit: FitSettings = FitSettings(
        epochs=4, peak_rate=2e-3, average=0.99, augmentation=_AUGMENTATION, network=_NETWORK
    )


def train_single_shot(
    settings: SingleShotSettings,
    on_object: Callable[[], object] = lambda: None,
    on_epoch: OnEpoch | None = None,
) -> Path:
    """Train, set the temperature, measure, and write the checkpoint; returns its folder.

    Args:
        settings: Of everything.
        on_object: Called after each object that has to be drawn.
        on_epoch: As `classifier.fit` has it.
    """
    parts = {
        part: _pictures(part, settings, on_object) for part in ("train", "temperature", "test")
    }
    scaling = Scaling()
    model = fit(parts["train"], settings.fit, scaling, on_epoch)
    warm = parts["temperature"].select(parts["temperature"].white)
    model.temperature = fit_temperature(model.predict(warm, VIEWS).logits, warm.kind)
    card = PictureCard(
        name="single-shot",
        version=VERSION,
        task="single-shot",
        synthetic=True,
        description=_DESCRIPTION,
        trained_on=(
            TrainedOn.of("simulated single shots", "training", parts["train"]),
            TrainedOn.of(
                "simulated single shots, other sites", "temperature", parts["temperature"]
            ),
        ),
        settings=settings.fit,
        scaling=scaling,
        temperature=model.temperature,
        metrics=measured(model, parts["test"]),
        licence="Apache-2.0",
    )
    return save_classifier(PictureCheckpoint(model, card), settings.out)


def measured(model: PictureClassifier, test: Pictures) -> tuple[Measured, ...]:
    """Figures on simulated cells, by object: classes of the white ones, and how well the others are told from them."""
    resamples = Resamples.of(test.group, BootstrapSettings())
    said = model.predict(test, VIEWS)
    white = test.white
    of_white = resamples.select(white)
    table = class_table(of_white, test.kind[white], said.predicted[white])
    sides = [(resamples.select(rows), said.reject_probability[rows]) for rows in (white, ~white)]
    figures = {
        "accuracy": of_white.share(said.predicted[white] == test.kind[white]),
        "balanced accuracy": of_white.figure(macro(recalls(table), table)),
        "mean AUC of a class": mean_auroc(of_white, test.kind[white], said.probability[white]),
        "AUC of no white cell": resamples.figure(ranks.auroc(sides[0], sides[1])),
    }
    data = "SYNTHETIC single shots, other sites than in training"
    return tuple(
        Measured(name=name, data=data, figure=figure)
        for name, figure in figures.items()
        if figure is not None
    )


def _pictures(
    part: Part, settings: SingleShotSettings, on_object: Callable[[], object]
) -> Pictures:
    objects = settings.objects if part == "train" else settings.held_out
    drawn = simulated_shots(
        ShotSettings(part, settings.fit.seed, objects), settings.out / "cache", on_object
    )
    side_px = settings.fit.network.crop_px
    names = tuple(f"simulated {row}" for row in range(len(drawn)))
    return Pictures(network_planes(drawn.planes, side_px), drawn.kind, drawn.group, names)
