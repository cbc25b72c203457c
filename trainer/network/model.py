"""The hybrid network, layer by layer as published (SPEC b), and what phenostream adds outside its names.

Knows normalised crops in and raw outputs out. Preprocessing, temperature and intervals belong to `graph`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from phenostream.engine.types import FEATURE_DIM
from phenostream.trainer.network import layers
from phenostream.trainer.network.network_options import NetworkOptions

PARAMETERS = 1_816_244
"""Trainable numbers of the published network; the heads outside its names are counted apart."""
NEVER = -100.0
"""Logit of a reject head that is not there: its probability is below 1e-40."""
LARGEST_LOG_SD = 4.0
"""The spread head says no more than this, nor less than its negative."""


@dataclass(frozen=True, slots=True)
class RawOutputs:
    """What the network says before calibration.

    Attributes:
        class_logits: (B, 3).
        marker_z: (B, 4).
        reject_logit: (B,), positive = no white cell.
        feature: (B, 256), the fused feature both tasks start from.
        marker_log_sd: (B, 4), natural logarithm of the standard deviation of what `marker_z` is wrong by.
    """

    class_logits: Tensor
    marker_z: Tensor
    reject_logit: Tensor
    feature: Tensor
    marker_log_sd: Tensor


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
    """The hybrid network; by default the published one: 1,816,244 parameters, state-dict names of its checkpoint."""

    def __init__(self, options: NetworkOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or NetworkOptions()
        norm = nn.BatchNorm2d if options.norm == "batch" else layers.group_norm
        if options.inputs == "dpc":
            self.phase = layers.DifferentialPhase()
        if options.channel_attention:
            self.shared_channel_attention = layers.ChannelAttention()
        if options.cnn:
            self.cnn = layers.ConvBranch(options.channels, norm)
        if options.vit:
            self.vit = layers.PatchBranch(options.channels, options.crop_px)
        self.fusion = _fusion(options)
        if options.tasks != "markers":
            self.cls_refinement = layers.Refinement()
        if options.tasks != "classes":
            self.reg_refinement = layers.Refinement()
        if options.gated:
            self.task_gating = layers.TaskGating()
        if options.tasks != "markers":
            self.classifier = _Classifier()
        if options.tasks != "classes":
            self.regressor = _Regressor()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised crops to class logits, marker z and the shared feature.

        Args:
            x: (B, C, S, S), already normalised; the planes and the side of the options, by default (B, 4, 28, 28) with
                shots in `SHOTS` order.

        Returns:
            class_logits (B, 3), marker_z (B, 4), feature (B, 256); zeros for a task the network has not.
        """
        feature = self._feature(x)
        if self.options.tasks == "classes":
            return self.classifier(self.cls_refinement(feature)), feature[:, :4] * 0, feature
        if self.options.tasks == "markers":
            return feature[:, :3] * 0, self.regressor(self.reg_refinement(feature)), feature
        cls, reg = self.cls_refinement(feature), self.reg_refinement(feature)
        if self.options.gated:
            cls, reg = self.task_gating(cls, reg)
        return self.classifier(cls), self.regressor(reg), feature

    def _feature(self, x: Tensor) -> Tensor:
        if self.options.inputs == "dpc":
            x = self.phase(x)
        if self.options.channel_attention:
            x = self.shared_channel_attention(x)
        if not self.options.vit:
            feature: Tensor = self.fusion(self.cnn(x).mean(dim=1))
        elif not self.options.cnn:
            feature = self.fusion(self.vit(x)[:, 0])
        else:
            feature = self.fusion(self.cnn(x), self.vit(x))
        return feature


def _fusion(options: NetworkOptions) -> nn.Module:
    if not options.vit:
        return layers.OneBranch(192)
    if not options.cnn:
        return layers.OneBranch(128)
    return layers.GatedFusion() if options.fusion == "gate" else layers.Fusion()


class Phenotyper(nn.Module):
    """The network with two heads on its feature, outside the published names: reject and spread.

    The spread head sees the feature without giving it a gradient, so that it never disturbs the network.
    """

    def __init__(self, options: NetworkOptions | None = None) -> None:
        super().__init__()
        self.network = HybridNetwork(options)
        self.reject = nn.Sequential(nn.Linear(FEATURE_DIM, 64), nn.GELU(), nn.Linear(64, 1))
        self.spread = nn.Sequential(nn.Linear(FEATURE_DIM, 64), nn.GELU(), nn.Linear(64, 4))

    def silence_reject(self) -> None:
        """Have the reject head say nothing: a probability below 1e-40 for every cell."""
        *weights, bias = self.reject.parameters()
        with torch.no_grad():
            for parameter in weights:
                parameter.zero_()
            bias.fill_(NEVER)

    def forward(self, x: Tensor) -> RawOutputs:
        """Normalised crops, of the options' planes and side, to raw outputs."""
        class_logits, marker_z, feature = self.network(x)
        log_sd = self.spread(feature.detach()).clamp(-LARGEST_LOG_SD, LARGEST_LOG_SD)
        return RawOutputs(class_logits, marker_z, self.reject(feature)[:, 0], feature, log_sd)
