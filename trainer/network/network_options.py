"""What can be chosen about the network's shape; the default is the network as published (SPEC b).

Knows names and what they exclude; `model` builds from them. All give the same outputs.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from phenostream.engine.types import CROP_PX

_PLANES: Final = {"shots": 4, "dpc": 6, "single": 1, "rgb": 3}
Part = Literal["channel_attention", "cnn", "vit", "task_gating"]


class NetworkOptions(BaseModel):
    """One shape of the network; anything but the default has other weights than the published checkpoint.

    Attributes:
        channel_attention: Scale each shot by a gate of the shots' means (ECA).
        cnn: The convolutional branch.
        vit: The patch transformer; one of the two branches must stay.
        task_gating: Each task blends its feature with a mix of both; only where there are both.
        tasks: A single task has no weights for the other one, whose output is zero for every cell.
        inputs: The four ``shots``; ``dpc`` appends DPC_x and DPC_y, which cancel the illumination's brightness. Of
            pictures that no daemon sees: a ``single`` shot, or red, green and blue (``rgb``).
        crop_px: Side of the input; bundles and their daemons have 28.
        fusion: Of the branches: two learned ``scalars``, or a ``gate`` per cell and number.
        norm: Of the convolutions: ``group`` keeps no statistics of the training cells, for other instruments and days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel_attention: bool = True
    cnn: bool = True
    vit: bool = True
    task_gating: bool = True
    tasks: Literal["both", "classes", "markers"] = "both"
    inputs: Literal["shots", "dpc", "single", "rgb"] = "shots"
    crop_px: Literal[28, 48, 64, 96, 128] = 28
    fusion: Literal["scalars", "gate"] = "scalars"
    norm: Literal["batch", "group"] = "batch"

    @model_validator(mode="after")
    def _possible(self) -> "NetworkOptions":
        if not (self.cnn or self.vit):
            raise ValueError("cnn and vit are both off; one branch must stay")
        if self.fusion == "gate" and not (self.cnn and self.vit):
            raise ValueError("fusion gate: needs both branches, cnn and vit")
        return self

    def without(self, part: Part) -> "NetworkOptions":
        """The same shape without one part, for an ablation."""
        return NetworkOptions.model_validate(self.model_dump() | {part: False})

    @property
    def channels(self) -> int:
        """Planes the network sees."""
        return _PLANES[self.inputs]

    @property
    def served(self) -> bool:
        """A bundle may hold it: its input are the crops that a daemon cuts."""
        return self.inputs in ("shots", "dpc") and self.crop_px == CROP_PX

    @property
    def gated(self) -> bool:
        """There is something to gate: both tasks."""
        return self.task_gating and self.tasks == "both"
