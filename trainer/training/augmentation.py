"""Changes of a crop after which it shows the same cell: the symmetry of the optics, and a shot that is missing."""

import torch
from torch import Tensor

from phenostream.engine.optics import symmetry


def augment(x: Tensor, elements: Tensor) -> Tensor:
    """Each row of (B, 4, H, W) under its own element (B,) of the group, shots and pixels jointly (SPEC f.5)."""
    out = torch.empty_like(x)
    for element in range(symmetry.ELEMENTS):
        rows = torch.nonzero(elements == element)[:, 0]
        out[rows] = symmetry.apply(torch, x[rows], element)
    return out


def drop_shots(x: Tensor, lost: Tensor) -> Tensor:
    """Rows of (B, 4, H, W) with the shot that `lost` (B,) numbers set to 0; a negative number: none is lost."""
    kept = torch.arange(x.shape[1], device=x.device) != lost[:, None]
    return x * kept[:, :, None, None]
