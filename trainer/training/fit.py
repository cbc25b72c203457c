"""The training loop, read from top to bottom: epochs, batches, a step, a score, a file to resume from.

Given the same cells and settings it does the same arithmetic: order, augmentation and dropout are drawn from the seed
and the number of the epoch, so a resumed training equals an uninterrupted one. What is drawn and what is minimised is
the recipe's; how several processes share a batch is in `distributed`.
"""

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from phenostream.engine.errors import BadInput, EngineFault
from phenostream.engine.types import MARKERS
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.figures import scores
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.network.model import Phenotyper
from phenostream.trainer.predict import predict
from phenostream.trainer.training.distributed import World, current_world
from phenostream.trainer.training.precision import Precision, choose
from phenostream.trainer.training.progress import Moving, Progress, Score, identity, keep, resume
from phenostream.trainer.training.recipe import Judge, Ours, Recipe
from phenostream.trainer.training.recipe_published import Published
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.shared_norm import share_batch_norm
from phenostream.trainer.training.training_cells import TrainingCells, refuse_untrainable
from phenostream.trainer.training.training_log import TrainingLog

_CLIP_NORM: Final = 1.0
_RECIPES: Final[dict[str, Callable[[TrainingCells, TrainSettings], Recipe]]] = {
    "ours": Ours,
    "published": Published,
}


def fit(graph: BundleGraph, train: CellSet, held_out: CellSet, settings: TrainSettings) -> Score:
    """Train the graph in place and leave the best epoch's weights in it, on the CPU.

    Args:
        graph: Its marker transform already set from the training cells.
        train: What to learn from.
        held_out: What the best epoch is chosen on.
        settings: `out` keeps the state after each epoch; a state of equal settings and cells is resumed.

    Raises:
        BadInput: Nothing can be learnt from these cells, or the kept state is damaged.
        BadConfig: The settings fit neither this machine nor the number of processes.
        EngineFault: The loss is no longer finite.
        OSError: The state cannot be written.
    """
    refuse_untrainable(train, settings)
    loop = Loop.of(graph, train, settings)
    own = identity(settings, train)
    progress = resume(loop.moving, settings.out, own)
    if loop.world.agree([progress.done], loop.precision.device) != [progress.done]:
        raise BadInput(f"{settings.out}: not the same folder for all processes; need a shared one")
    with TrainingLog(settings, loop.per_epoch, progress.done, loop.world.first) as log:
        for epoch in range(progress.done, settings.epochs):
            if progress.exhausted(loop.recipe.patience):
                break
            loss = _run_epoch(loop, epoch, log)
            score = _agreed_score(loop, held_out, epoch, loss)
            log.epoch(score)
            progress = _after(progress, score, loop)
            if loop.world.first:
                keep(loop.moving, progress, settings.out, own)
            loop.world.wait()
    if progress.best is None:
        raise EngineFault(f"{settings.out}: no epoch was run")
    graph.load_state_dict(progress.best_state)
    graph.cpu().eval()
    return progress.best


def measure(
    graph: BundleGraph,
    cells: CellSet,
    epoch: int = 0,
    loss: float = 0.0,
    narrow: torch.dtype | None = None,
) -> Score:
    """Score the weights on labelled cells; a marker without any target counts nothing in the mean r."""
    said = predict(graph, cells, narrow)
    white = cells.white
    predicted, truth = said.class_logits[white].argmax(axis=1), cells.kind[white]
    device = graph.marker_mean.device
    target = graph.target_z(torch.from_numpy(cells.marker_log10).to(device)).cpu().numpy()
    correlations = [
        scores.pearson(said.marker_z[valid, marker], target[valid, marker])
        for marker in range(len(MARKERS))
        if (valid := cells.marker_mask[:, marker]).any()
    ]
    known = cells.white | cells.foreign
    return Score(
        epoch=epoch,
        loss=loss,
        accuracy=scores.accuracy(predicted, truth),
        macro_f1=scores.macro_f1(predicted, truth),
        mean_r=float(np.mean(correlations)) if correlations else 0.0,
        reject_auroc=scores.auroc(said.reject_logit[known], cells.foreign[known]),
    )


@dataclass(frozen=True, slots=True)
class Loop:
    """What stays the same from epoch to epoch; `own` are this process's rows of a batch."""

    settings: TrainSettings
    world: World
    precision: Precision
    recipe: Recipe
    moving: Moving
    own: slice

    @classmethod
    def of(cls, graph: BundleGraph, train: CellSet, settings: TrainSettings) -> "Loop":
        """Move the graph to its device, in the layout that convolutions are quickest in, and set up the rest."""
        world = current_world()
        own = world.share(settings.batch)
        precision = choose(settings, world.local)
        graph.to(precision.device)
        if world.size > 1:
            share_batch_norm(graph.phenotyper)
        for parameter in graph.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        cells = TrainingCells.of(graph, train, precision.device)
        recipe = _RECIPES[settings.recipe](cells, settings)
        moving = Moving(graph, recipe.optimiser(graph.phenotyper), precision.scaler())
        return cls(settings, world, precision, recipe, moving, own)

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return self.recipe.rows // self.settings.batch


def _run_epoch(loop: Loop, epoch: int, log: TrainingLog) -> float:
    """One pass; the mean loss."""
    loop.moving.graph.train()
    seed = loop.settings.seed * 100_003 + epoch
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed + loop.world.rank * 1_000_003)  # dropout, each process its own
    order = loop.recipe.order(generator)
    batch, steps = loop.settings.batch, loop.per_epoch * loop.settings.epochs
    total = torch.zeros((), device=loop.precision.device)
    for index in range(loop.per_epoch):
        rate = loop.recipe.rate(epoch * loop.per_epoch + index, steps)
        for group in loop.moving.optimiser.param_groups:
            group["lr"] = rate
        rows = order[index * batch : (index + 1) * batch]
        loss = take_step(loop, *loop.recipe.batch(rows, loop.own, generator))
        total += loss
        log.step(rate, loss)
    mean = loop.world.total(total) / max(1, loop.per_epoch)
    if not math.isfinite(mean):
        raise EngineFault(
            f"training: the loss of epoch {epoch + 1} is {mean}; try a lower peak_rate"
        )
    return mean


def take_step(loop: Loop, x: Tensor, judge: Judge) -> Tensor:
    """Forward, backward, clip, update; the loss of the own rows."""
    graph, optimiser, scaler = loop.moving.graph, loop.moving.optimiser, loop.moving.scaler
    with loop.precision.autocast():
        raw = graph.phenotyper(x.contiguous(memory_format=torch.channels_last))
    loss = judge(raw)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(scaler.scale(loss))
    loop.world.sum_gradients(graph.phenotyper.parameters())
    scaler.unscale_(optimiser)
    clip(graph.phenotyper)
    scaler.step(optimiser)
    scaler.update()
    return loss.detach()


def clip(phenotyper: Phenotyper) -> None:
    """Clip the spread head apart from the rest, which must not move otherwise because of it."""
    nn.utils.clip_grad_norm_(phenotyper.spread.parameters(), _CLIP_NORM)
    rest = [*phenotyper.network.parameters(), *phenotyper.reject.parameters()]
    nn.utils.clip_grad_norm_(rest, _CLIP_NORM)


def _agreed_score(loop: Loop, held_out: CellSet, epoch: int, loss: float) -> Score:
    """Process 0 measures; all hear the same."""
    score = Score(epoch, loss, 0.0, 0.0, 0.0, 0.0)
    if loop.world.first:
        score = measure(loop.moving.graph, held_out, epoch, loss, loop.precision.narrow)
    _, *numbers = loop.world.agree(astuple(score), loop.precision.device)
    return Score(epoch, *numbers)


def _after(progress: Progress, score: Score, loop: Loop) -> Progress:
    best, best_state = progress.best, progress.best_state
    if best is None or loop.recipe.worth(score) > loop.recipe.worth(best):
        state = loop.moving.graph.state_dict()
        best, best_state = score, {name: value.cpu().clone() for name, value in state.items()}
    return Progress(score.epoch + 1, best, best_state)
