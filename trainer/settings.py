"""What can be chosen about a training, with its allowed ranges."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class TrainSettings(BaseModel):
    """One training on simulated cells; the same settings give the same model on the same machine.

    Attributes:
        out: Folder for the checkpoint, the log and the cached data.
        seed: Of data, weights, order and augmentation.
        crops: Training crops over both presets.
        objects: Distinct rendered objects behind them, over both presets.
        held_out: Crops per preset for each of selection, calibration and test.
        epochs: Passes over the training crops.
        batch: Crops per step.
        peak_rate: Highest learning rate of the one-cycle schedule.
        weight_decay: Of AdamW.
        threads: Cores to train on.
        narrow: Compute the body in bfloat16 (three times quicker where the CPU has AMX).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    crops: Annotated[int, Field(ge=200, le=1_000_000)] = 24_000
    objects: Annotated[int, Field(ge=100, le=100_000)] = 8_000
    held_out: Annotated[int, Field(ge=200, le=100_000)] = 3_000
    epochs: Annotated[int, Field(ge=1, le=1_000)] = 5
    batch: Annotated[int, Field(ge=8, le=1_024)] = 64
    peak_rate: Annotated[float, Field(gt=0, le=0.1)] = 1.5e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.02
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    narrow: bool = True
