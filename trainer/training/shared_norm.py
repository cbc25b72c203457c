"""Batch normalisation whose mean and variance are those of the global batch, over all processes.

torch's own (`SyncBatchNorm`) is for GPUs only; this one works wherever processes can sum a tensor. At evaluation it is
plain batch normalisation, so that exporting and folding need not know it.
"""

import torch
from torch import Tensor, distributed, nn


class _SumOverProcesses(torch.autograd.Function):
    """The sum in every process; its gradient is the sum of the processes' gradients."""

    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm2d):
    """`BatchNorm2d` over the equal shares of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in, the same shape and type out."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        count = wide.numel() // wide.shape[1] * distributed.get_world_size()
        mean = _sum(wide.sum(dim=(0, 2, 3))) / count
        apart = wide - mean[:, None, None]
        variance = _sum(apart.square().sum(dim=(0, 2, 3))) / count
        self._follow(mean.detach(), variance.detach() * count / max(1, count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        out = apart * scale[:, None, None] + self.bias[:, None, None]
        return out.to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics."""
        momentum = self.momentum or 0.0
        if self.running_mean is None or self.running_var is None:
            return
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def _sum(x: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(x)  # type: ignore[no-untyped-call]  # torch's
    return total


def share_batch_norm(module: nn.Module) -> None:
    """Replace each `BatchNorm2d` inside, in place, with its weights and statistics."""
    for name, child in module.named_children():
        if type(child) is not nn.BatchNorm2d:
            share_batch_norm(child)
            continue
        shared = SharedBatchNorm(child.num_features, child.eps, child.momentum or 0.0)
        shared.load_state_dict(child.state_dict())
        setattr(module, name, shared.to(child.weight.device))
