"""A small plain convolutional network for pictures: two convolutions, half the side, twice the planes, and again.

Three stages on 28 px, or four on 64, see the whole picture from every place, where the published convolutional branch
sees 17 px. Every convolution has a batch normalisation, so that adaptation reaches all of it.
"""

from typing import Annotated, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from phenostream.engine.types import CLASSES
from phenostream.trainer.network.model import NEVER, RawOutputs

_DROPPED: Final = 0.3
_PLANES: Final = {"single": 1, "rgb": 3}

Width = Annotated[int, Field(ge=4, le=512)]


class PyramidOptions(BaseModel):
    """One shape of the pyramid.

    Attributes:
        widths: Planes of each stage, the first at the picture's own side.
        inputs: A ``single`` shot, or red, green and blue (``rgb``).
        crop_px: Side of the picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=5)]
    inputs: Literal["single", "rgb"] = "single"
    crop_px: Literal[28, 48, 64, 96, 128] = 28

    @property
    def channels(self) -> int:
        """Planes of the picture."""
        return _PLANES[self.inputs]


class Pyramid(nn.Module):
    """The network; its outputs are those of `Phenotyper`, with zeros for markers."""

    def __init__(self, options: PyramidOptions) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        planes = options.channels
        for stage, width in enumerate(options.widths):
            layers += [nn.MaxPool2d(2)] if stage else []
            for _ in range(2):
                conv = nn.Conv2d(planes, width, 3, padding=1, bias=False)
                layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
                planes = width
        self.body = nn.Sequential(*layers)
        self.drop = nn.Dropout(_DROPPED)
        self.classes = nn.Linear(planes, len(CLASSES))
        self.reject = nn.Linear(planes, 1)

    def silence_reject(self) -> None:
        """Have the reject head say nothing: a probability below 1e-40 for every cell."""
        with torch.no_grad():
            self.reject.weight.zero_()
            self.reject.bias.fill_(NEVER)

    def forward(self, x: Tensor) -> RawOutputs:
        """(B, C, S, S) scaled pixels to raw outputs."""
        feature = self.drop(self.body(x).mean(dim=(2, 3)))
        nothing = feature.new_zeros(len(feature), 4)
        return RawOutputs(
            self.classes(feature), nothing, self.reject(feature)[:, 0], feature, nothing
        )
