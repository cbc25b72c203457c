"""Training the single-shot model on simulated cells alone, and measuring it on simulated cells of other sites.

No real picture is opened here. What the figures say is synthetic; how real cells fare is `figures`' affair.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phenostream.engine.errors import BadInput
from phenostream.trainer.classifier.checkpoint import (
    Measured,
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
)
from phenostream.trainer.classifier.committee import (
    Committee,
    CommitteeCard,
    PicturesAt,
    save_committee,
)
from phenostream.trainer.classifier.fit import OnEpoch, fit
from phenostream.trainer.classifier.model import fit_temperature
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.pyramid import PyramidOptions
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
from phenostream.trainer.single_shot.simulated import (
    PARTS,
    Part,
    ShotSettings,
    SimulatedShots,
    simulated_shots,
)

VERSION: Final = "2"
_DESCRIPTION: Final = (
    "Class of a white cell from one DPC shot, and whether it is one."
    " Trained on simulated cells only: synthetic."
)
_AUGMENTATION: Final = AugmentationSettings(
    flips="rows", rotation_deg=10, scale=0.03, shift=0.03, noise=0.02, blur_px=0.6, gamma=0.1
)
_AT_28: Final = PyramidOptions(crop_px=28, widths=(32, 64, 128))
_AT_64: Final = PyramidOptions(crop_px=64, widths=(16, 32, 64, 128))
_OTHER_SITES: Final = "simulated single shots, other sites"
_LICENCE: Final = "Apache-2.0"


class SingleShotSettings(BaseModel):
    """One training; the same settings give the same model on the same machine.

    Attributes:
        out: Folder for the committee and the cached pictures.
        objects: Simulated cells to learn from, four pictures each.
        held_out: Others, of other sites, for the temperatures, and as many for the figures.
        fit: Of every member; the first has its seed, each further one the next.
        members: Their networks, in place of that of `fit`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    objects: Annotated[int, Field(ge=20, le=100_000)] = 8_000
    held_out: Annotated[int, Field(ge=20, le=20_000)] = 1_000
    fit: FitSettings = FitSettings(
        epochs=6,
        pictures_per_epoch=12_000,
        peak_rate=2e-3,
        average=0.99,
        augmentation=_AUGMENTATION,
    )
    members: Annotated[
        tuple[NetworkOptions | PyramidOptions, ...], Field(min_length=1, max_length=32)
    ] = (
        _AT_28,
        _AT_64,
        _AT_28,
        _AT_64,
        _AT_28,
    )

    @model_validator(mode="after")
    def _seeds_left(self) -> "SingleShotSettings":
        last = 2**31 - len(self.members)
        if self.fit.seed > last:
            raise BadInput(
                f"seed: {self.fit.seed}, allowed 0 to {last}: each of {len(self.members)} members has one"
            )
        return self

    @property
    def fits(self) -> tuple[FitSettings, ...]:
        """The settings of each member."""
        return tuple(
            self.fit.model_copy(update={"network": network, "seed": self.fit.seed + index})
            for index, network in enumerate(self.members)
        )


def train_single_shot(
    settings: SingleShotSettings,
    on_object: Callable[[], object] = lambda: None,
    on_epoch: OnEpoch | None = None,
) -> Path:
    """Train every member, set its temperature, measure all together, and write the committee; returns its folder.

    Args:
        settings: Of everything.
        on_object: Called after each object that has to be drawn.
        on_epoch: As `classifier.fit` has it, for one member after the other.
    """
    drawn = {part: _drawn(part, settings, on_object) for part in PARTS}
    members = tuple(_member(fit_settings, drawn, on_epoch) for fit_settings in settings.fits)
    card = CommitteeCard(
        name="single-shot",
        version=VERSION,
        task="single-shot",
        synthetic=True,
        description=_DESCRIPTION,
        licence=_LICENCE,
    )
    metrics = measured(Committee(members, card), partial(_pictures, drawn["test"]))
    together = Committee(members, card.model_copy(update={"metrics": metrics}))
    return save_committee(together, settings.out)


def measured(committee: Committee, test: PicturesAt) -> tuple[Measured, ...]:
    """Figures on simulated cells, by object: classes of the white ones, and how well the others are told from them."""
    some = test(committee.members[0].model.options.crop_px)
    said = committee.predict(test, lambda one, pictures: one.model.predict(pictures, VIEWS))
    resamples = Resamples.of(some.group, BootstrapSettings())
    white = some.white
    of_white = resamples.select(white)
    table = class_table(of_white, some.kind[white], said.predicted[white])
    sides = [(resamples.select(rows), said.reject_probability[rows]) for rows in (white, ~white)]
    figures = {
        "accuracy": of_white.share(said.predicted[white] == some.kind[white]),
        "balanced accuracy": of_white.figure(macro(recalls(table), table)),
        "mean AUC of a class": mean_auroc(of_white, some.kind[white], said.probability[white]),
        "AUC of no white cell": resamples.figure(ranks.auroc(sides[0], sides[1])),
    }
    data = "SYNTHETIC single shots, other sites than in training"
    return tuple(
        Measured(name=name, data=data, figure=figure)
        for name, figure in figures.items()
        if figure is not None
    )


def _member(
    settings: FitSettings, drawn: dict[Part, SimulatedShots], on_epoch: OnEpoch | None
) -> PictureCheckpoint:
    side_px = settings.network.crop_px
    train = _pictures(drawn["train"], side_px)
    held_out = _pictures(drawn["temperature"], side_px)
    scaling = Scaling()
    model = fit(train, settings, scaling, on_epoch)
    warm = held_out.select(held_out.white)
    model.temperature = fit_temperature(model.predict(warm, VIEWS).logits, warm.kind)
    card = PictureCard(
        name="single-shot",
        version=f"{VERSION}-{side_px}px-seed{settings.seed}",
        task="single-shot",
        synthetic=True,
        description=_DESCRIPTION,
        trained_on=(
            TrainedOn.of("simulated single shots", "training", train),
            TrainedOn.of(_OTHER_SITES, "temperature", held_out),
        ),
        settings=settings,
        scaling=scaling,
        temperature=model.temperature,
        licence=_LICENCE,
    )
    return PictureCheckpoint(model, card)


def _drawn(
    part: Part, settings: SingleShotSettings, on_object: Callable[[], object]
) -> SimulatedShots:
    objects = settings.objects if part == "train" else settings.held_out
    shots = ShotSettings(part, settings.fit.seed, objects)
    return simulated_shots(shots, settings.out / "cache", on_object)


def _pictures(drawn: SimulatedShots, side_px: int) -> Pictures:
    names = tuple(f"simulated {row}" for row in range(len(drawn)))
    return Pictures(network_planes(drawn.planes, side_px), drawn.kind, drawn.group, names)
