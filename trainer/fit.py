"""The training loop, read from top to bottom: epochs, batches, a step, a score, a file to resume from.

Given the same cells and settings it does the same arithmetic: order, augmentation and dropout are drawn from the seed
and the number of the epoch, so a resumed training equals an uninterrupted one.
"""

import logging
import math
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from phenostream.engine.errors import EngineFault
from phenostream.engine.optics import symmetry
from phenostream.engine.types import MARKERS
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation import scores
from phenostream.trainer.graph import BundleGraph
from phenostream.trainer.losses import LossWeights, Targets, total_loss
from phenostream.trainer.model import Phenotyper
from phenostream.trainer.predict import predict
from phenostream.trainer.progress import Progress, Score, identity, keep, resume
from phenostream.trainer.settings import TrainSettings

logger = logging.getLogger(__name__)

_WARM_UP: Final = 0.1
_START, _END = 0.04, 1e-3
_CLIP_NORM: Final = 1.0


def fit(graph: BundleGraph, train: CellSet, held_out: CellSet, settings: TrainSettings) -> Score:
    """Train the graph in place and leave the best epoch's weights in it.

    Args:
        graph: Its marker transform already set from the training cells.
        train: What to learn from.
        held_out: What the best epoch is chosen on.
        settings: `out` keeps the state after each epoch; a state of equal settings is resumed.
    """
    crops = _Tensors.of(graph, train)
    optimiser = _optimiser(graph, settings)
    own = identity(settings, train)
    progress = resume(graph, optimiser, settings.out, own)
    for epoch in range(progress.done, settings.epochs):
        torch.manual_seed(settings.seed * 100_003 + epoch)
        loss = _run_epoch(graph, crops, optimiser, settings, epoch)
        score = measure(graph, held_out, epoch, loss, settings.narrow)
        logger.info(
            "%s", " ".join(f"{key} {_number(value)}" for key, value in asdict(score).items())
        )
        best, best_state = progress.best, progress.best_state
        if best is None or score.composite > best.composite:
            best, best_state = score, {k: v.clone() for k, v in graph.state_dict().items()}
        progress = Progress(epoch + 1, best, best_state)
        keep(graph, optimiser, progress, settings.out, own)
    if progress.best is None:
        raise EngineFault(f"{settings.out}: no epoch was run")
    graph.load_state_dict(progress.best_state)
    graph.eval()
    return progress.best


def measure(
    graph: BundleGraph, cells: CellSet, epoch: int = 0, loss: float = 0.0, narrow: bool = False
) -> Score:
    """Score the weights on labelled cells."""
    said = predict(graph, cells, narrow)
    white = cells.white
    predicted, truth = said.class_logits[white].argmax(axis=1), cells.kind[white]
    correlations = []
    for marker in range(len(MARKERS)):
        valid = cells.marker_mask[:, marker]
        correlations.append(
            scores.pearson(said.marker_z[valid, marker], cells.marker_log10[valid, marker])
        )
    return Score(
        epoch=epoch,
        loss=loss,
        accuracy=scores.accuracy(predicted, truth),
        macro_f1=scores.macro_f1(predicted, truth),
        mean_r=float(np.mean(correlations)),
        reject_auroc=scores.auroc(said.reject_logit, ~white),
    )


def learning_rate(step: int, steps: int, peak: float) -> float:
    """One cycle: a cosine up over the first tenth, a cosine down to almost nothing."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        low, high, place = _START * peak, peak, step / warm
    else:
        low, high, place = _END * peak, peak, 1 - (step - warm) / max(1, steps - warm)
    return low + (high - low) * (1 - math.cos(math.pi * place)) / 2


def augment(x: Tensor, elements: Tensor) -> Tensor:
    """Each row of (B, 4, H, W) under its own element (B,) of the symmetry group, shots and pixels jointly."""
    out = torch.empty_like(x)
    for element in range(symmetry.ELEMENTS):
        rows = elements == element
        out[rows] = symmetry.apply(torch, x[rows], element)
    return out


@dataclass(frozen=True, slots=True)
class _Tensors:
    """A cell set as normalised network input and targets."""

    x: Tensor
    targets: Targets

    @classmethod
    def of(cls, graph: BundleGraph, cells: CellSet) -> "_Tensors":
        x = graph.preprocess(torch.from_numpy(cells.images), torch.from_numpy(cells.background))
        log10 = torch.from_numpy(cells.marker_log10)
        return cls(
            x,
            Targets(
                kind=torch.from_numpy(cells.kind).long(),
                marker_z=(log10 - graph.marker_mean) / graph.marker_sd,
                marker_mask=torch.from_numpy(cells.marker_mask),
            ),
        )

    def rows(self, index: Tensor) -> tuple[Tensor, Targets]:
        own = self.targets
        return self.x[index], Targets(own.kind[index], own.marker_z[index], own.marker_mask[index])


def _run_epoch(
    graph: BundleGraph,
    crops: _Tensors,
    optimiser: torch.optim.Optimizer,
    settings: TrainSettings,
    epoch: int,
) -> float:
    graph.train()
    order = torch.randperm(len(crops.x))
    per_epoch = len(order) // settings.batch
    steps = per_epoch * settings.epochs
    total = 0.0
    title = f"epoch {epoch + 1} of {settings.epochs}"
    for index in tqdm(range(per_epoch), desc=title, unit="batch", disable=None):
        rate = learning_rate(epoch * per_epoch + index, steps, settings.peak_rate)
        for group in optimiser.param_groups:
            group["lr"] = rate
        x, targets = crops.rows(order[index * settings.batch : (index + 1) * settings.batch])
        x = augment(x, torch.randint(symmetry.ELEMENTS, (len(x),)))
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.narrow):
            raw = graph.phenotyper(x.to(memory_format=torch.channels_last))
        loss = total_loss(raw, targets, LossWeights())
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        _clip(graph.phenotyper)
        optimiser.step()
        total += float(loss.detach())
    return total / max(1, per_epoch)


def _clip(phenotyper: Phenotyper) -> None:
    """Clip the spread head apart from the rest, which must not move otherwise because of it."""
    nn.utils.clip_grad_norm_(phenotyper.spread.parameters(), _CLIP_NORM)
    nn.utils.clip_grad_norm_(
        [*phenotyper.network.parameters(), *phenotyper.reject.parameters()], _CLIP_NORM
    )


def _optimiser(graph: BundleGraph, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW; norms, biases and single numbers are not decayed."""
    for parameter in graph.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    decayed = [p for p in graph.parameters() if p.ndim >= 2]
    free = [p for p in graph.parameters() if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.peak_rate)


def _number(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
