"""How many cells a second the training loop takes, beside a plain float32 loop, step for step in one run.

The crops are noise: the time of a step does not depend on what they show. On one thread of a CPU the ratios are of CPU
time, which other processes disturb least; elsewhere of elapsed time.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics import symmetry
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.training.augmentation import augment
from phenostream.trainer.training.fit import Loop, take_step
from phenostream.trainer.training.losses import LossWeights, total_loss
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.training_cells import TrainingCells

Step = Callable[[], None]
_PLAIN_BATCH = 64
_LARGE_BATCH = 256
_CELLS: Final = 1024
COMPILED: Final = "ours, compiled"


@dataclass(frozen=True, slots=True)
class WaySpeed:
    """One way to train.

    Attributes:
        name: For a person.
        batch: Cells a step.
        cells_per_s: Elapsed, median of the rounds.
        cpu_ms_per_cell: Median of the rounds.
        ratio: Of its speed to the plain loop's in the same round, median.
        low: Least of the rounds.
        high: Most of the rounds.
    """

    name: str
    batch: int
    cells_per_s: float
    cpu_ms_per_cell: float
    ratio: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(slots=True)
class _Way:
    name: str
    batch: int
    step: Step
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def measure_training(
    settings: TrainSettings, steps: int, rounds: int, compiled: bool, on_step: Callable[[], object]
) -> list[WaySpeed]:
    """Time every way, in turn, round after round; the first round only warms up.

    Args:
        settings: `threads`, `device`, `precision` and `network`.
        steps: Of 64 cells, or fewer of larger batches, for each way in each round.
        rounds: That count.
        compiled: Also through `torch.compile`, which needs a C++ compiler on a CPU.
        on_step: Called after each way of each round.

    Raises:
        BadConfig: Nothing to measure, or the settings do not fit this machine.
    """
    if steps < 1 or rounds < 1:
        raise BadConfig(f"steps {steps}, rounds {rounds}: allowed 1 or more")
    torch.set_num_threads(settings.threads)
    ways = _ways(settings, compiled)
    for number in range(rounds + 1):
        for way in ways:
            wall, cpu = _timed(way, max(1, steps * _PLAIN_BATCH // way.batch))
            if number:
                way.wall_s.append(wall)
                way.cpu_s.append(cpu)
            on_step()
    by_cpu = settings.threads == 1 and not _on_gpu(settings)
    return [_speed(way, ways[0], by_cpu) for way in ways]


def count_ways(compiled: bool) -> int:
    """How many ways there are."""
    return 6 if compiled else 5


def _ways(settings: TrainSettings, compiled: bool) -> list[_Way]:
    cells = _noise()

    def ours(name: str, batch: int, precision: str, compile_it: bool = False) -> _Way:
        changed = {"batch": batch, "precision": precision}
        return _Way(name, batch, _our_step(cells, settings.model_copy(update=changed), compile_it))

    usual, own = _PLAIN_BATCH, settings.precision
    ways = [
        _Way("plain fp32, cell by cell augmented", usual, _plain_step(cells, settings, one_by_one)),
        _Way("plain fp32", usual, _plain_step(cells, settings, augment)),
        ours("ours in fp32", usual, "fp32"),
        ours("ours", usual, own),
        ours("ours", _LARGE_BATCH, own),
    ]
    return [*ways, ours(COMPILED, usual, own, True)] if compiled else ways


def one_by_one(x: Tensor, elements: Tensor) -> Tensor:
    """As `augment`, without batching."""
    pairs = zip(x, elements.tolist(), strict=True)
    return torch.stack([symmetry.apply(torch, cell, element) for cell, element in pairs])


def _plain_step(
    cells: CellSet, settings: TrainSettings, turn: Callable[[Tensor, Tensor], Tensor]
) -> Step:
    """What one would write first: float32, torch's default layout, no care for speed."""
    device = torch.device("cuda" if _on_gpu(settings) else "cpu")
    graph = BundleGraph(options=settings.network).to(device).train()
    data = TrainingCells.of(graph, cells, device)
    optimiser = torch.optim.AdamW(graph.parameters(), lr=1e-4)

    def step() -> None:
        x, targets = data.rows(torch.randint(len(data), (_PLAIN_BATCH,), device=device))
        raw = graph.phenotyper(turn(x, torch.randint(symmetry.ELEMENTS, (len(x),), device=device)))
        loss = total_loss(raw, targets, LossWeights())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(graph.parameters(), 1.0)
        optimiser.step()

    return step


def _our_step(cells: CellSet, settings: TrainSettings, compile_it: bool) -> Step:
    """A step as `fit` makes it."""
    graph = BundleGraph(options=settings.network)
    loop = Loop.of(graph, cells, settings)
    graph.train()
    if compile_it:
        graph.phenotyper.compile()
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        rows = torch.randint(len(cells), (settings.batch,), generator=generator)
        take_step(loop, *loop.recipe.batch(rows, loop.own, generator))

    return step


def _timed(way: _Way, steps: int) -> tuple[float, float]:
    """Elapsed and CPU seconds per cell."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        way.step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    cells = steps * way.batch
    return (time.perf_counter() - wall) / cells, (time.process_time() - cpu) / cells


def _speed(way: _Way, plain: _Way, by_cpu: bool) -> WaySpeed:
    mine, theirs = (way.cpu_s, plain.cpu_s) if by_cpu else (way.wall_s, plain.wall_s)
    ratios: Sequence[float] = [b / a for a, b in zip(mine, theirs, strict=True)]
    return WaySpeed(
        way.name,
        way.batch,
        1 / statistics.median(way.wall_s),
        1e3 * statistics.median(way.cpu_s),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def _on_gpu(settings: TrainSettings) -> bool:
    return settings.device != "cpu" and torch.cuda.is_available()


def _noise() -> CellSet:
    rng = np.random.default_rng(0)
    count = _CELLS
    kind = rng.integers(0, 6, count).astype(np.int32)
    return CellSet.with_labels(
        (0.4 + 0.05 * rng.standard_normal((count, 4, 28, 28))).astype(np.float32),
        np.full((count, 4), 0.4, np.float32),
        kind,
        rng.standard_normal((count, 4)).astype(np.float32),
        np.repeat((kind < 3)[:, None], 4, axis=1),
        np.arange(count, dtype=np.int32),
    )
