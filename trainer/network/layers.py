"""The building blocks of the published network (SPEC b), with the published attribute names.

Every attribute that owns weights is part of the checkpoint's contract: renaming one breaks imported checkpoints.
Knows tensors only; knows nothing of bundles, preprocessing or training.
"""

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Callable[[int], nn.Module]
"""Makes the normalisation of so many planes."""
_PATCH_PX: Final = 4
_DARKEST: Final = 0.02
"""Least sum of two opposite shots, in backgrounds, that their difference is divided by."""


class DifferentialPhase(nn.Module):
    """Append (left - right) / (left + right) and (top - bottom) / (top + bottom) to the four shots (SPEC f.2).

    A normalised pixel plus one is proportional to light, whatever the preprocessing.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, 4, H, W) normalised shots to (B, 6, H, W)."""
        one, other = x[:, 0::2], x[:, 1::2]
        phase = (one - other) / (one + other + 2).clamp(min=_DARKEST)
        return torch.cat([x, phase.clamp(-1, 1)], dim=1)


def group_norm(planes: int) -> nn.Module:
    """As many groups as divide the planes, eight at most."""
    return nn.GroupNorm(math.gcd(planes, 8), planes)


class ChannelAttention(nn.Module):
    """Scale each shot by a gate computed from the means of its neighbours (ECA)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in, the same shape out."""
        means = x.mean(dim=(2, 3)).unsqueeze(1)
        gate = torch.sigmoid(self.conv(means)).squeeze(1)
        return x * gate[:, :, None, None]


def _conv(inputs: int, outputs: int, kernel: int, norm: Norm, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [conv, norm(outputs), nn.GELU()]


def _compact(gradient: Tensor) -> Tensor:
    """The same gradient without gaps: over slices, as concatenation hands them back, GELU takes seven times as long."""
    last = gradient.stride(1) == 1
    return gradient.contiguous(
        memory_format=torch.channels_last if last else torch.contiguous_format
    )


class Inception(nn.Module):
    """Three parallel paths (1x1, 3x3, 3x3 twice), concatenated and added to a projected shortcut."""

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        third = outputs // 3
        rest = outputs - 2 * third
        self.branch1 = nn.Sequential(*_conv(inputs, third, 1, norm))
        self.branch2 = nn.Sequential(*_conv(inputs, third, 3, norm))
        self.branch3 = nn.Sequential(*_conv(inputs, rest, 3, norm), *_conv(rest, rest, 3, norm))
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        paths = [self.branch1(x), self.branch2(x), self.branch3(x)]
        if self.training and torch.is_grad_enabled():
            for path in paths:
                path.register_hook(_compact)
        out: Tensor = torch.cat(paths, dim=1) + self.shortcut(x)
        return out


class ConvBranch(nn.Module):
    """Local texture: (B, C, S, S) to (S/2)² tokens of 192 numbers."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv(channels, 64, 3, norm), nn.Dropout2d(0.1))
        self.inception1 = Inception(64, 128, norm)
        self.transition = nn.Sequential(*_conv(128, 128, 3, norm, stride=2), nn.Dropout2d(0.1))
        self.inception2 = Inception(128, 192, norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, S, S) to (B, (S/2)², 192)."""
        maps = self.inception2(self.transition(self.inception1(self.stem(x))))
        return torch.flatten(maps, 2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention with the packed weights of `torch.nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)
        self._heads = heads
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) in, the same shape out."""
        batch, tokens, width = x.shape
        packed = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        packed = packed.reshape(batch, tokens, 3, self._heads, width // self._heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        scale = (width // self._heads) ** -0.5
        weights = torch.softmax((query * scale) @ key.transpose(-2, -1), dim=-1)
        weights = functional.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, tokens, width)
        projected: Tensor = self.out_proj(mixed)
        return projected


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) in, the same shape out."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchBranch(nn.Module):
    """Global arrangement: (S/4)² patches of 4x4 pixels and a class token through two blocks."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(channels, 128, _PATCH_PX, stride=_PATCH_PX)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 128))
        self.pos_embed = nn.Parameter(torch.zeros(1, (side // _PATCH_PX) ** 2 + 1, 128))
        self.pos_drop = nn.Dropout(0.1)
        self.blocks = nn.ModuleList([Block(128, 4, 0.1) for _ in range(2)])
        self.norm = nn.LayerNorm(128)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, S, S) to (B, (S/4)² + 1, 128); token 0 is the class token."""
        patches = torch.flatten(self.patch_embed(x), 2).transpose(1, 2)
        token = self.cls_token.expand(x.shape[0], -1, -1)
        tokens = self.pos_drop(torch.cat([token, patches], dim=1) + self.pos_embed)
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.norm(tokens)
        return out


class Fusion(nn.Module):
    """Both branches to one feature, weighted by two learned scalars (no sample dependence)."""

    def __init__(self) -> None:
        super().__init__()
        self.fusion_weight = nn.Parameter(torch.full((2,), 0.5))
        self.cnn_proj = nn.Linear(192, 256)
        self.vit_proj = nn.Linear(128, 256)
        self.norm = nn.LayerNorm(256)

    def forward(self, cnn: Tensor, vit: Tensor) -> Tensor:
        """(B, T, 192) and (B, T', 128) to the feature (B, 256)."""
        weight = torch.softmax(self.fusion_weight, dim=0)
        local, globe = self.cnn_proj(cnn.mean(dim=1)), self.vit_proj(vit[:, 0])
        out: Tensor = self.norm(weight[0] * local + weight[1] * globe)
        return out


class GatedFusion(nn.Module):
    """Both branches to one feature, weighted per cell and number by a gate that sees both."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(512, 256), nn.Sigmoid())
        self.cnn_proj = nn.Linear(192, 256)
        self.vit_proj = nn.Linear(128, 256)
        self.norm = nn.LayerNorm(256)

    def forward(self, cnn: Tensor, vit: Tensor) -> Tensor:
        """(B, T, 192) and (B, T', 128) to the feature (B, 256)."""
        local, globe = self.cnn_proj(cnn.mean(dim=1)), self.vit_proj(vit[:, 0])
        gate = self.gate(torch.cat([local, globe], dim=1))
        out: Tensor = self.norm(gate * local + (1 - gate) * globe)
        return out


class OneBranch(nn.Module):
    """The feature where one branch is alone: its summary, projected."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 256)
        self.norm = nn.LayerNorm(256)

    def forward(self, summary: Tensor) -> Tensor:
        """(B, width) to the feature (B, 256)."""
        out: Tensor = self.norm(self.proj(summary))
        return out


class Refinement(nn.Module):
    """A residual two-layer step on the feature, one per task."""

    def __init__(self) -> None:
        super().__init__()
        self.refinement = nn.Sequential(
            nn.Linear(256, 256),
            nn.LayerNorm(256),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(256, 256),
            nn.LayerNorm(256),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 256) in, the same shape out."""
        out: Tensor = x + self.refinement(x)
        return out


class TaskGating(nn.Module):
    """Each task blends its own feature with a mix of both, per sample and per number."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_gate = nn.Sequential(nn.Linear(512, 256), nn.Sigmoid())
        self.reg_gate = nn.Sequential(nn.Linear(512, 256), nn.Sigmoid())
        self.cls_mix = nn.Linear(512, 256)
        self.reg_mix = nn.Linear(512, 256)
        self.cls_norm = nn.LayerNorm(256)
        self.reg_norm = nn.LayerNorm(256)

    def forward(self, cls: Tensor, reg: Tensor) -> tuple[Tensor, Tensor]:
        """Two (B, 256) in, two (B, 256) out."""
        both = torch.cat([cls, reg], dim=1)

        def blend(
            own: Tensor, gate: Tensor, mix: Tensor, norm: Callable[[Tensor], Tensor]
        ) -> Tensor:
            return norm(gate * own + (1 - gate) * mix)

        return (
            blend(cls, self.cls_gate(both), self.cls_mix(both), self.cls_norm),
            blend(reg, self.reg_gate(both), self.reg_mix(both), self.reg_norm),
        )


def head(outputs: int) -> nn.Sequential:
    """256 to 128 to 64 to `outputs`, as published."""
    layers: list[nn.Module] = []
    for inputs, width in ((256, 128), (128, 64)):
        layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(0.4)]
    return nn.Sequential(*layers, nn.Linear(64, outputs))
