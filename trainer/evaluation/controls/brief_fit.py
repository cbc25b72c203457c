"""A short training for comparisons: the same few cells and epochs for every network, judged on the same test cells.

What it gives is not what the network can do, only what it does on this budget: rows of one table may be compared with
each other and with nothing else. Leaves no file behind.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import numpy as np
import torch
from pydantic import Field

from phenostream.engine.types import F32, I32
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.schema.figure import Closed
from phenostream.trainer.network.network_options import NetworkOptions
from phenostream.trainer.predict import predict
from phenostream.trainer.training.fit import fit
from phenostream.trainer.training.precision import multiplies_bfloat16
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.train import fresh_graph

_HELD_OUT_SHARE: Final = 0.15
_LEAST_HELD_OUT: Final = 30


class Budget(Closed):
    """What a short training may use.

    Attributes:
        cells: Training cells, at most; a random choice of those with a class or a marker.
        epochs: Passes over them.
        batch: Cells per step; few, so that few cells still make enough steps to learn from.
        peak_rate: Highest learning rate; a fifth of a full training's, since so small a batch is noisy.
        seed: Of the choice, the weights, the order and the augmentation.
    """

    cells: Annotated[int, Field(ge=60, le=1_000_000)] = 1_500
    epochs: Annotated[int, Field(ge=1, le=1_000)] = 6
    batch: Annotated[int, Field(ge=8, le=1_024)] = 8
    peak_rate: Annotated[float, Field(gt=0, le=0.1)] = 3e-4
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1

    def text(self) -> str:
        """For a person."""
        return (
            f"{self.epochs} epochs over at most {self.cells} training cells, recipe ours, batch {self.batch}, "
            f"peak rate {self.peak_rate:g}"
        )


@dataclass(frozen=True, slots=True)
class BriefAnswer:
    """What a briefly trained network says of N test cells.

    Attributes:
        parameters: Its trainable numbers.
        called: (N,) class.
        marker_z: (N, 4).
    """

    parameters: int
    called: I32
    marker_z: F32


def fit_briefly(
    train: CellSet, test: CellSet, budget: Budget, options: NetworkOptions | None = None
) -> BriefAnswer:
    """Train one network on the budget and ask it about the test cells.

    Args:
        train: What there is to learn from; part of it is held out to choose the epoch.
        test: Judged, never learnt from.
        budget: Cells, epochs, seed.
        options: The network's shape; None is the published one.

    Raises:
        BadInput: Nothing can be learnt from these cells: a class or a marker is missing, or they are too few.
    """
    learn, held_out = _parts(train, budget)
    with TemporaryDirectory() as folder:
        settings = TrainSettings(
            out=Path(folder),
            seed=budget.seed,
            epochs=budget.epochs,
            batch=budget.batch,
            peak_rate=budget.peak_rate,
            network=options or NetworkOptions(),
        )
        torch.manual_seed(budget.seed)
        graph, _ = fresh_graph(settings, learn)
        fit(graph, learn, held_out, settings)
    said = predict(graph, test, torch.bfloat16 if multiplies_bfloat16() else None)
    return BriefAnswer(
        parameters=sum(p.numel() for p in graph.parameters()),
        called=said.class_logits.argmax(axis=1).astype(np.int32),
        marker_z=said.marker_z,
    )


def _parts(train: CellSet, budget: Budget) -> tuple[CellSet, CellSet]:
    """Cells to learn from and cells to choose the epoch on, from different fields where there are several."""
    rng = np.random.default_rng([budget.seed, 47])
    useful = np.flatnonzero((train.kind >= 0) | train.marker_mask.any(axis=1))
    chosen = rng.permutation(useful)[: budget.cells]
    fields = rng.permutation(np.unique(train.group[chosen]))
    kept_out = fields[: max(1, round(_HELD_OUT_SHARE * len(fields)))]
    held_out = np.isin(train.group[chosen], kept_out)
    if held_out.sum() < _LEAST_HELD_OUT or held_out.mean() > 2 * _HELD_OUT_SHARE:
        held_out = np.arange(len(chosen)) < round(_HELD_OUT_SHARE * len(chosen))
    return train.select(np.sort(chosen[~held_out])), train.select(np.sort(chosen[held_out]))
