"""The published recipe (SPEC c.1), its faults included: for comparison, never for a model that anyone should use.

Kept as they are: flips, turns and brightness drawn for each shot apart, which no optics does (SPEC g.1 fault 7); mixup
that mixes labels but not marker targets (8); minorities drawn again up to the majority and then a bootstrap on top (9);
Pearson's r over batch and markers together in the loss (10); selection on accuracy alone (11); decay of norms, biases.
Left out: what the published code does with masked targets, as its cells have none. Turned corners are black, by nearest
neighbour, as torchvision's defaults have it; the SPEC does not say which they chose.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from phenostream.engine.errors import BadConfig
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import Preprocess
from phenostream.trainer.network.model import Phenotyper, RawOutputs
from phenostream.trainer.training.distributed import current_world
from phenostream.trainer.training.losses import Targets, class_loss, spread_loss
from phenostream.trainer.training.progress import Score
from phenostream.trainer.training.recipe import Judge
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.training_cells import TrainingCells

_FLIP, _TURN_DEG, _LIGHT = 0.3, 5.0, 0.1
_MIXUP: Final = 0.3
_SPREAD_WEIGHT: Final = 0.5
_TINY: Final = 1e-8
_WARM_UP, _START, _END = 0.1, 1 / 25, 1 / 250_000
PREPROCESS: Final = Preprocess("affine", 4065.0 / 2040.0, (30.0 / 16.0 - 0.5) / 127.5 - 1.0)
"""From a fraction of full scale, as BSCCM's 8-bit pixels u are given, back to exactly ``u / 127.5 - 1`` (SPEC a.7).

The fraction is ``((u + 0.5) 16 - 30) / 4065``: the middle of the step that their truncation leaves open.
"""


class Published:
    """Epochs, batch, rates and decay come from the settings, whose defaults for this recipe are the published ones."""

    patience: int | None = 30

    def __init__(self, cells: TrainingCells, settings: TrainSettings) -> None:
        if current_world().size > 1:
            raise BadConfig("recipe published: its loss is of one whole batch; allowed one process")
        self._cells = cells
        self._settings = settings
        kind = cells.targets.kind.cpu().numpy()
        self._pool = torch.from_numpy(oversampled(kind, settings.seed))
        self.rows = len(self._pool)

    def order(self, generator: torch.Generator) -> Tensor:
        """A bootstrap of the oversampled cells, which is what their class-weighted sampler comes to."""
        return self._pool[torch.randint(self.rows, (self.rows,), generator=generator)]

    def batch(self, rows: Tensor, own: slice, generator: torch.Generator) -> tuple[Tensor, Judge]:
        """The cells, each shot changed for itself; three batches in ten are mixed with themselves in another order."""
        x, targets = self._cells.rows(rows[own].to(self._cells.x.device))
        x = jitter(x, generator)
        other, share = targets.kind, 1.0
        if float(torch.rand((), generator=generator)) < _MIXUP:
            share = beta(generator)
            mixed = torch.randperm(len(x), generator=generator).to(x.device)
            x, other = share * x + (1 - share) * x[mixed], targets.kind[mixed]
        return x, lambda raw: loss(raw, targets, other, share)

    def rate(self, step: int, steps: int) -> float:
        """`torch.optim.lr_scheduler.OneCycleLR` as they call it: peak / 25, peak at a tenth, peak / 250,000."""
        peak = self._settings.peak_rate
        top = max(1.0, _WARM_UP * steps - 1)
        if step <= top:
            return _cosine(_START * peak, peak, step / top)
        return _cosine(peak, _END * peak, (step - top) / max(1.0, steps - 1 - top))

    def optimiser(self, phenotyper: Phenotyper) -> torch.optim.Optimizer:
        """AdamW that decays everything."""
        settings = self._settings
        parameters = list(phenotyper.parameters())
        return torch.optim.AdamW(
            parameters, lr=settings.peak_rate, weight_decay=settings.weight_decay
        )

    def worth(self, score: Score) -> float:
        """Accuracy; markers play no part."""
        return score.accuracy


def oversampled(kind: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.intp]:
    """Rows of the labelled cells, each class filled up to the largest by drawing its own again."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(kind == index) for index in range(3)]
    most = max(len(rows) for rows in classes)
    drawn = [rng.choice(rows, most - len(rows)) for rows in classes if len(rows)]
    return np.concatenate([*classes, *drawn])


def oversampled_cells(cells: CellSet, seed: int) -> CellSet:
    """The cells that target statistics are taken from: after oversampling (SPEC a.6)."""
    return cells.select(oversampled(cells.kind, seed))


def loss(raw: RawOutputs, targets: Targets, other: Tensor, share: float) -> Tensor:
    """Classes + half of the markers; beside it the spread head, which disturbs neither.

    Args:
        raw: Of the mixed cells.
        targets: Of the first of the two that were mixed.
        other: (B,) classes of the second.
        share: Of the first.
    """
    logits, z = raw.class_logits.float(), raw.marker_z.float()
    classes = share * class_loss(logits, targets.kind) + (1 - share) * class_loss(logits, other)
    mask = targets.marker_mask
    said, want = z[mask], targets.marker_z[mask]
    if len(said) == 0:
        return classes
    markers = 0.7 * functional.smooth_l1_loss(said, want) + 0.3 * (1 - _pearson(said, want))
    spread = spread_loss(raw.marker_log_sd.float(), z, targets.marker_z, mask)
    return classes + 0.5 * markers + _SPREAD_WEIGHT * spread


def jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each shot of (B, 4, H, W) for itself: flipped, turned, brighter, of other contrast; light stays in [0, 1]."""
    batch, shots, height, width = x.shape
    light = ((x + 1) / 2).reshape(batch * shots, 1, height, width)

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand(batch * shots, generator=generator) * (high - low) + low
        return drawn.to(x.device)[:, None, None, None]

    for axis in (2, 3):
        light = torch.where(uniform(0, 1) < _FLIP, light.flip(axis), light)
    light = _turn(light, uniform(-_TURN_DEG, _TURN_DEG)[:, 0, 0, 0])
    light = (light * uniform(1 - _LIGHT, 1 + _LIGHT)).clamp(0, 1)
    mean = light.mean(dim=(2, 3), keepdim=True)
    light = (mean + (light - mean) * uniform(1 - _LIGHT, 1 + _LIGHT)).clamp(0, 1)
    return (2 * light - 1).reshape(x.shape)


def beta(generator: torch.Generator) -> float:
    """One draw of Beta(1/2, 1/2), by the arcsine law."""
    return math.sin(math.pi / 2 * float(torch.rand((), generator=generator))) ** 2


def _turn(planes: Tensor, angle_deg: Tensor) -> Tensor:
    angle = torch.deg2rad(angle_deg)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    matrix = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(matrix, list(planes.shape), align_corners=False)
    return functional.grid_sample(planes, grid, mode="nearest", align_corners=False)


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(), b - b.mean()
    spread = (a.square().sum() * b.square().sum()).sqrt()
    return (a * b).sum() / (spread + _TINY)


def _cosine(start: float, end: float, place: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * place)) / 2
