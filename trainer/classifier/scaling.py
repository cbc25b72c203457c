"""From 8-bit pixels to what the network sees; kept with the weights, so that train and serve cannot differ."""

from typing import Annotated, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from phenostream.engine.types import U8

LARGEST_INPUT: Final = 8.0
"""Scaled pixels are clipped to this either way: a stuck pixel must not decide."""
_LEAST_SD: Final = 1.0
"""In grey levels: a plane flatter than this is not blown up to noise."""

_Sd = Annotated[float, Field(gt=0)]


class Scaling(BaseModel):
    """How pixels of 0 to 255 are scaled.

    Attributes:
        kind: ``per-image``: each plane minus its median, over its standard deviation, whatever its stretch was.
            ``fixed``: each plane minus one mean, over one standard deviation, the same for every picture.
        mean: Of each plane; ``fixed`` only.
        sd: Of each plane; ``fixed`` only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["per-image", "fixed"] = "per-image"
    mean: tuple[float, ...] = ()
    sd: tuple[_Sd, ...] = ()

    @model_validator(mode="after")
    def _both_or_none(self) -> "Scaling":
        planes = {"per-image": (0,), "fixed": (1, 3)}[self.kind]
        if len(self.mean) != len(self.sd) or len(self.mean) not in planes:
            raise ValueError(
                f"scaling {self.kind}: {len(self.mean)} means and {len(self.sd)} sds;"
                f" allowed {' or '.join(map(str, planes))} of each"
            )
        return self

    @classmethod
    def of(cls, images: U8) -> "Scaling":
        """The fixed scaling under which these pictures (N, C, S, S), N at least 1, have mean 0 and sd 1."""
        mean = images.mean(axis=(0, 2, 3), dtype=float)
        sd = images.std(axis=(0, 2, 3), dtype=float).clip(min=_LEAST_SD)
        return cls(kind="fixed", mean=tuple(mean.tolist()), sd=tuple(sd.tolist()))

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, S, S) of 0 to 255, any type, to the network's float32 input."""
        x = images.float()
        if self.kind == "per-image":
            flat = x.flatten(2)
            level = flat.median(dim=2).values[:, :, None, None]
            spread = flat.std(dim=2, correction=0)[:, :, None, None].clamp(min=_LEAST_SD)
        else:
            level = torch.tensor(self.mean, device=x.device)[:, None, None]
            spread = torch.tensor(self.sd, device=x.device)[:, None, None]
        return ((x - level) / spread).clamp(-LARGEST_INPUT, LARGEST_INPUT)
