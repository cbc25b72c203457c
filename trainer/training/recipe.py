"""What a recipe decides about a training: which cells an epoch shows, how a batch is made and judged, how steps go.

`fit` is the loop, the same for all. A recipe draws everything random for the global batch from the generator it is
given, so that every process draws the same; `own` are the rows of this process.
"""

import math
from collections.abc import Callable
from typing import Final, Protocol

import torch
from torch import Tensor

from phenostream.engine.types import CLASSES
from phenostream.trainer.network.model import Phenotyper, RawOutputs
from phenostream.trainer.training.augmentation import augment, drop_shots
from phenostream.trainer.training.losses import Counts, LossWeights, Targets, total_loss
from phenostream.trainer.training.progress import Score
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.training_cells import TrainingCells

Judge = Callable[[RawOutputs], Tensor]
_ELEMENTS: Final = 8
_LEAST_UNIT: Final = 0.25
_WARM_UP: Final = 0.1
_START, _END = 0.04, 1e-3


class Recipe(Protocol):
    """One way to train.

    Attributes:
        patience: Epochs without a better one after which the training ends; None: never.
        rows: Training cells that one epoch shows.
    """

    patience: int | None
    rows: int

    def order(self, generator: torch.Generator) -> Tensor:
        """Row numbers of the training cells as one epoch shows them."""

    def batch(self, rows: Tensor, own: slice, generator: torch.Generator) -> tuple[Tensor, Judge]:
        """Network input for the own rows of a global batch, and the loss of what the network says of it."""

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step."""

    def optimiser(self, phenotyper: Phenotyper) -> torch.optim.Optimizer:
        """A fresh one."""

    def worth(self, score: Score) -> float:
        """What the best epoch is chosen by; more is better."""


class Ours:
    """Joint symmetric augmentation, masked losses, at most one rebalancing, selection on macro F1 plus mean r."""

    patience: int | None = None

    def __init__(self, cells: TrainingCells, settings: TrainSettings) -> None:
        self._cells = cells
        self._settings = settings
        self.rows = len(cells)
        tasks = settings.network.tasks
        foreign = bool((cells.targets.kind >= len(CLASSES)).any())
        by_loss = settings.rebalance == "weights" and tasks != "markers"
        self._weights = LossWeights(
            classes=0.0 if tasks == "markers" else 1.0,
            markers=0.0 if tasks == "classes" else 0.5,
            reject=0.5 if foreign else 0.0,
            spread=0.0 if tasks == "classes" else 0.5,
            kinds=class_weights(cells.targets.kind) if by_loss else None,
            marker_unit=within_class_sd(cells.targets)
            if settings.marker_unit == "within-class"
            else None,
        )

    def order(self, generator: torch.Generator) -> Tensor:
        """Every cell once; or as many draws, white cells so that each class comes as often as the others."""
        if self._settings.rebalance != "sampler":
            return torch.randperm(len(self._cells), generator=generator)
        kind = self._cells.targets.kind.cpu()
        white = (kind >= 0) & (kind < len(CLASSES))
        chance = torch.where(white, class_weights(kind)[torch.where(white, kind, 0)], 1.0)
        return torch.multinomial(chance, len(kind), replacement=True, generator=generator)

    def batch(self, rows: Tensor, own: slice, generator: torch.Generator) -> tuple[Tensor, Judge]:
        """The own rows, each under a random element of the symmetry group, perhaps without one shot."""
        elements = torch.randint(_ELEMENTS, (len(rows),), generator=generator)
        lost = torch.randint(4, (len(rows),), generator=generator)
        spared = torch.rand(len(rows), generator=generator) >= self._settings.channel_dropout
        x, targets = self._cells.rows(rows[own].to(self._cells.x.device))
        counts = Counts.of(self._cells.targets.rows(rows.to(x.device)))
        x = augment(x, elements[own].to(x.device))
        if self._settings.channel_dropout:
            x = drop_shots(x, torch.where(spared, -1, lost)[own].to(x.device))
        return x, lambda raw: total_loss(raw, targets, self._weights, counts)

    def rate(self, step: int, steps: int) -> float:
        """One cycle to `peak_rate`."""
        return learning_rate(step, steps, self._settings.peak_rate)

    def optimiser(self, phenotyper: Phenotyper) -> torch.optim.Optimizer:
        """AdamW; norms, biases and single numbers are not decayed."""
        decayed = [p for p in phenotyper.parameters() if p.ndim >= 2]
        free = [p for p in phenotyper.parameters() if p.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": self._settings.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self._settings.peak_rate)

    def worth(self, score: Score) -> float:
        """The declared composite."""
        return score.composite


def learning_rate(step: int, steps: int, peak: float) -> float:
    """One cycle: a cosine up over the first tenth, a cosine down to almost nothing."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        low, high, place = _START * peak, peak, step / warm
    else:
        low, high, place = _END * peak, peak, 1 - (step - warm) / max(1, steps - warm)
    return low + (high - low) * (1 - math.cos(math.pi * place)) / 2


def within_class_sd(targets: Targets) -> Tensor:
    """(3, 4) sd of each marker's z within each class, between `_LEAST_UNIT` and 1; 1 where there are too few cells."""
    units = torch.ones((len(CLASSES), targets.marker_z.shape[1]), device=targets.kind.device)
    for index in range(len(CLASSES)):
        for marker in range(units.shape[1]):
            rows = (targets.kind == index) & targets.marker_mask[:, marker]
            if int(rows.sum()) > 1:
                units[index, marker] = targets.marker_z[rows, marker].std()
    return units.clamp(_LEAST_UNIT, 1.0)


def class_weights(kind: Tensor) -> Tensor:
    """(3,) inverse class frequencies, of mean 1 over the white cells."""
    count = torch.stack([(kind == index).sum() for index in range(len(CLASSES))])
    return count.sum() / (len(CLASSES) * count.clamp(min=1)).float()
