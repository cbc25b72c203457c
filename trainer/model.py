"""The hybrid network, layer by layer as published (SPEC b), and what phenostream adds outside its names.

Knows normalised crops in and raw outputs out. Preprocessing, temperature and intervals belong to `graph`.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from phenostream.engine.types import FEATURE_DIM
from phenostream.trainer import layers

PARAMETERS = 1_816_244
"""Trainable numbers of the published network; the reject head is counted apart."""


@dataclass(frozen=True, slots=True)
class RawOutputs:
    """What the network says before calibration.

    Attributes:
        class_logits: (B, 3).
        marker_z: (B, 4).
        reject_logit: (B,), positive = no white cell.
        feature: (B, 256), the fused feature both tasks start from.
    """

    class_logits: Tensor
    marker_z: Tensor
    reject_logit: Tensor
    feature: Tensor


class _Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classifier = layers.head(3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(x)
        return out


class _Regressor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.regressor = layers.head(4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.regressor(x)
        return out


class HybridNetwork(nn.Module):
    """The published network: 1,816,244 parameters, state-dict names of the published checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.shared_channel_attention = layers.ChannelAttention()
        self.cnn = layers.ConvBranch()
        self.vit = layers.PatchBranch()
        self.fusion = layers.Fusion()
        self.cls_refinement = layers.Refinement()
        self.reg_refinement = layers.Refinement()
        self.task_gating = layers.TaskGating()
        self.classifier = _Classifier()
        self.regressor = _Regressor()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised crops to class logits, marker z and the shared feature.

        Args:
            x: (B, 4, 28, 28), shots in `SHOTS` order, already normalised.

        Returns:
            class_logits (B, 3), marker_z (B, 4), feature (B, 256).
        """
        scaled = self.shared_channel_attention(x)
        feature = self.fusion(self.cnn(scaled), self.vit(scaled))
        cls, reg = self.task_gating(self.cls_refinement(feature), self.reg_refinement(feature))
        return self.classifier(cls), self.regressor(reg), feature


class Phenotyper(nn.Module):
    """The published network with a reject head on its feature, outside the published names."""

    def __init__(self) -> None:
        super().__init__()
        self.network = HybridNetwork()
        self.reject = nn.Sequential(nn.Linear(FEATURE_DIM, 64), nn.GELU(), nn.Linear(64, 1))

    def forward(self, x: Tensor) -> RawOutputs:
        """(B, 4, 28, 28) normalised crops to raw outputs."""
        class_logits, marker_z, feature = self.network(x)
        return RawOutputs(class_logits, marker_z, self.reject(feature)[:, 0], feature)
