"""The one graph every backend runs: preprocessing, network, calibration and scores in one module.

Train and serve cannot differ, because everything between counts and declared units is in here. Before and after the
network all arithmetic is float32; only the network's body may be narrower.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from phenostream.engine.types import CLASSES, FEATURE_DIM, MARKERS
from phenostream.trainer.network.model import Phenotyper, RawOutputs
from phenostream.trainer.network.network_options import NetworkOptions

LEAST_BACKGROUND = 1e-3
"""Backgrounds below this fraction of full scale are treated as this, so that a dark crop stays finite."""
LARGEST_INPUT = 8.0
"""Normalised pixels are clipped to this: real cells reach 1, hot pixels must not overflow float16."""
LARGEST_Z = 8.0
"""Estimates and half widths of intervals are clipped to this: every power of ten stays finite in float32."""

GraphOutputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How fractions of full scale become network input.

    Attributes:
        kind: ``ratio``: crop / background - 1. ``affine``: scale * crop + offset, for imported checkpoints.
        scale: Used by ``affine`` only.
        offset: Used by ``affine`` only.
    """

    kind: Literal["ratio", "affine"] = "ratio"
    scale: float = 2.0
    offset: float = -1.0

    def __call__(self, images: Tensor, background: Tensor) -> Tensor:
        """(B, 4, 28, 28) and (B, 4), fractions of full scale, to the network's float32 input."""
        if self.kind == "affine":
            normalised = images * self.scale + self.offset
        else:
            level = background.clamp(min=LEAST_BACKGROUND)[:, :, None, None]
            normalised = (images - level) / level
        return normalised.clamp(-LARGEST_INPUT, LARGEST_INPUT)


class BundleGraph(nn.Module):
    """Crops and background in, the eight outputs of `OUTPUT_SHAPES` out.

    The calibration numbers are buffers with neutral initial values; `calibrate` fills them. The half width of a cell's
    interval is its spread times a mixture of one factor per class, by its probabilities: a cell between two classes
    has a width between theirs in every arithmetic, where a factor of the predicted class would jump.

    Attributes:
        preprocess: From fractions of full scale to network input.
        marker_scale: Of the targets that z was made from: ``log10`` is undone by a power of ten, ``linear`` by nothing.
    """

    temperature: Tensor
    marker_mean: Tensor
    marker_sd: Tensor
    class_bias: Tensor
    interval_scale: Tensor
    ood_centre: Tensor
    ood_whiten: Tensor

    def __init__(
        self,
        preprocess: Preprocess | None = None,
        marker_scale: Literal["log10", "linear"] = "log10",
        options: NetworkOptions | None = None,
    ) -> None:
        super().__init__()
        self.preprocess = preprocess or Preprocess()
        self.marker_scale = marker_scale
        self.phenotyper = Phenotyper(options)
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("marker_mean", torch.zeros(len(MARKERS)))
        self.register_buffer("marker_sd", torch.ones(len(MARKERS)))
        self.register_buffer("class_bias", torch.zeros(len(CLASSES)))
        self.register_buffer("interval_scale", torch.ones(len(CLASSES), len(MARKERS)))
        self.register_buffer("ood_centre", torch.zeros(len(CLASSES), FEATURE_DIM))
        self.register_buffer("ood_whiten", torch.eye(FEATURE_DIM))

    def narrow_body(self) -> "BundleGraph":
        """Turn the network (not the edges) to float16, in place."""
        self.phenotyper.half()
        return self

    def raw(self, images: Tensor, background: Tensor) -> RawOutputs:
        """Preprocess and run the network; float32 outputs without calibration."""
        return self._run_network(self.preprocess(images, background))

    def _run_network(self, normalised: Tensor) -> RawOutputs:
        body = next(self.phenotyper.parameters()).dtype
        raw: RawOutputs = self.phenotyper(normalised.to(body))
        return RawOutputs(
            raw.class_logits.float(),
            raw.marker_z.float(),
            raw.reject_logit.float(),
            raw.feature.float(),
            raw.marker_log_sd.float(),
        )

    def forward(self, images: Tensor, background: Tensor) -> GraphOutputs:
        """The eight outputs, in the order of `OUTPUT_SHAPES`.

        Args:
            images: (B, 4, 28, 28) float32, fraction of full scale.
            background: (B, 4) float32.
        """
        return self.from_normalised(self.preprocess(images, background))

    def from_normalised(self, normalised: Tensor) -> GraphOutputs:
        """The eight outputs for network input (B, 4, 28, 28) that is already normalised."""
        raw = self._run_network(normalised)
        probability = torch.softmax(raw.class_logits / self.temperature + self.class_bias, dim=1)
        z = raw.marker_z.clamp(-LARGEST_Z, LARGEST_Z)
        spread = torch.exp(raw.marker_log_sd)  # bounded by the network
        half = ((probability @ self.interval_scale) * spread).clamp(0.0, LARGEST_Z)
        ends = torch.stack([z - half, z + half], dim=2)
        return (
            raw.class_logits,
            raw.marker_z,
            probability,
            self._unit(z),
            self._unit(ends.transpose(1, 2)).transpose(1, 2),
            self.ood_score(raw.feature),
            torch.sigmoid(raw.reject_logit),
            raw.feature,
        )

    def ood_score(self, feature: Tensor) -> Tensor:
        """Root mean square Mahalanobis distance (B,) of (B, 256) to the nearest class centre (SPEC g.2).

        `ood_centre` is kept whitened, so the distance is Euclidean after one product.
        """
        apart = (feature @ self.ood_whiten)[:, None, :] - self.ood_centre
        return apart.square().mean(dim=2).amin(dim=1).sqrt()

    def target_z(self, marker_log10: Tensor) -> Tensor:
        """What `marker_z` should be for targets (B, 4) in log10, whatever scale z is on."""
        linear = self.marker_scale == "linear"
        value = torch.exp(marker_log10 * math.log(10.0)) if linear else marker_log10
        return (value - self.marker_mean) / self.marker_sd

    def _unit(self, z: Tensor) -> Tensor:
        value = z * self.marker_sd + self.marker_mean
        return value if self.marker_scale == "linear" else torch.exp(value * math.log(10.0))
