"""What can be chosen about training a picture classifier, with its allowed ranges."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from phenostream.trainer.classifier.pyramid import PyramidOptions
from phenostream.trainer.network.network_options import NetworkOptions

Draw = Literal["pictures", "kinds", "groups"]
_Small = Annotated[float, Field(ge=0, le=1)]


class AugmentationSettings(BaseModel):
    """By how much a picture may be changed and still show the same cell; every default is "not at all".

    Attributes:
        flips: ``rows`` turns a picture upside down, which keeps the side that its light comes from; ``both`` also left
            to right.
        turns: Quarter turns.
        rotation_deg: Free rotation, at most this much either way.
        scale: Size, by a factor exp(±this), drawn evenly.
        stretch: Height against width, likewise.
        shear: Tangent of the shear angle, at most this much either way.
        shift: Of the side, at most this much either way.
        brightness: Added to all planes, sd as a part of 255.
        contrast: Around the picture's mean, by a factor exp(this times a normal).
        gamma: Of the grey levels, likewise.
        plane_gain: Of each plane by itself, likewise; for colour this is the light's tint.
        saturation: Distance of a colour from its grey, likewise.
        noise: Per pixel, sd as a part of 255; each picture gets a share of it.
        blur_px: Largest sd of a Gaussian blur; each picture gets a share of it.
        erased: Largest side of a square that is overwritten with the picture's mean, as a part of the side.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flips: Literal["none", "rows", "both"] = "none"
    turns: bool = False
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: _Small = 0.0
    stretch: _Small = 0.0
    shear: _Small = 0.0
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    brightness: _Small = 0.0
    contrast: _Small = 0.0
    gamma: _Small = 0.0
    plane_gain: _Small = 0.0
    saturation: _Small = 0.0
    noise: _Small = 0.0
    blur_px: Annotated[float, Field(ge=0, le=4)] = 0.0
    erased: Annotated[float, Field(ge=0, le=0.7)] = 0.0


class FitSettings(BaseModel):
    """One training; the same settings and pictures give the same model on the same machine.

    Attributes:
        seed: Of weights, order, dropout and augmentation.
        epochs: Each of `pictures_per_epoch` draws.
        pictures_per_epoch: 0: as many as there are; never more than four times as many.
        batch: Pictures per step.
        peak_rate: Highest learning rate of the one-cycle schedule.
        weight_decay: Of AdamW.
        smoothing: Share of each label that is spread evenly over the classes.
        draw: How often a picture is drawn: all alike, each ``kind`` alike, or each kind and within it each ``group``
            alike, so that many pictures of one cell count as one cell.
        average: Decay per step of the running mean of the weights that is kept in the end; 0: the last weights.
        reject: Weight of the reject head's loss; 0 where nothing foreign is there to learn from.
        precision: Of the network's body; ``auto`` is bf16 where the device computes it natively.
        device: Where to compute; ``auto`` is a GPU where there is one.
        threads: Cores to train on.
        augmentation: Of every picture at every draw.
        network: Shape of the published network, or of a pyramid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    epochs: Annotated[int, Field(ge=1, le=1_000)] = 10
    pictures_per_epoch: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    batch: Annotated[int, Field(ge=8, le=4_096)] = 64
    peak_rate: Annotated[float, Field(gt=0, le=0.1)] = 1.5e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.02
    smoothing: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    draw: Draw = "pictures"
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    reject: Annotated[float, Field(ge=0, le=10)] = 0.5
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    augmentation: AugmentationSettings = AugmentationSettings()
    network: NetworkOptions | PyramidOptions = NetworkOptions(tasks="classes")
