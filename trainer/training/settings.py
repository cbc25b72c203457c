"""What can be chosen about a training, with its allowed ranges."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from phenostream.engine.types import CROP_PX
from phenostream.trainer.network.network_options import NetworkOptions

PUBLISHED: Final = {"epochs": 200, "batch": 32, "peak_rate": 5e-4, "weight_decay": 0.01}
"""What recipe `published` takes where nothing else is said (SPEC c.1)."""


class TrainSettings(BaseModel):
    """One training; the same settings and cells give the same model on the same machine.

    Attributes:
        out: Folder for the checkpoint, the log and the cached data.
        seed: Of data, weights, order and augmentation.
        crops: Simulated training crops over both presets.
        objects: Distinct rendered objects behind them, over both presets.
        held_out: Simulated crops per preset for each of calibration and test; a sixth as many for selection.
        epochs: Passes over the training crops.
        batch: Crops per step, over all processes.
        peak_rate: Highest learning rate of the one-cycle schedule.
        weight_decay: Of AdamW.
        threads: Cores to train on, per process.
        recipe: ``ours``, or ``published`` with its faults, for comparison.
        rebalance: Of the classes: not at all, by drawing rare ones more often, or by weights in the class loss.
        marker_unit: What one unit of a marker's residual is in the loss: its sd over all cells, or its sd within the
            cell's class (at least a quarter of the former), so that small differences within a class count.
        levels: What simulated cells are taught: measured levels, or those to be expected of their truth, without noise.
        channel_dropout: Chance that a cell loses one of its four shots in a step.
        precision: Of the network's body; ``auto`` is bf16 where the device computes it natively, then fp16, then fp32.
        device: Where to compute; ``auto`` is a GPU where there is one.
        tensorboard: Also log to `out`/tensorboard.
        network: Shape of the network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    crops: Annotated[int, Field(ge=200, le=1_000_000)] = 24_000
    objects: Annotated[int, Field(ge=100, le=100_000)] = 8_000
    held_out: Annotated[int, Field(ge=200, le=100_000)] = 3_000
    epochs: Annotated[int, Field(ge=1, le=1_000)] = 5
    batch: Annotated[int, Field(ge=8, le=4_096)] = 64
    peak_rate: Annotated[float, Field(gt=0, le=0.1)] = 1.5e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.02
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    recipe: Literal["ours", "published"] = "ours"
    rebalance: Literal["none", "sampler", "weights"] = "none"
    marker_unit: Literal["overall", "within-class"] = "overall"
    levels: Literal["measured", "expected"] = "measured"
    channel_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tensorboard: bool = False
    network: NetworkOptions = NetworkOptions()

    @model_validator(mode="before")
    @classmethod
    def _fill_published(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("recipe") == "published":
            return PUBLISHED | values
        return values

    @field_validator("network")
    @classmethod
    def _of_crops(cls, network: NetworkOptions) -> NetworkOptions:
        if not network.served:
            raise ValueError(
                f"inputs {network.inputs}, crop_px {network.crop_px}: allowed inputs shots, dpc and crop_px {CROP_PX}"
            )
        return network

    @model_validator(mode="after")
    def _one_rebalancing(self) -> "TrainSettings":
        if self.recipe == "published" and (self.rebalance != "none" or self.channel_dropout):
            raise ValueError(
                "recipe published: rebalances and augments in its own way; leave rebalance none and channel_dropout 0"
            )
        return self
