"""A cell set as the network is trained on it: normalised input and targets, on the device that computes.

Refuses cells that nothing can be learnt from before a step is made.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, MARKERS, Bool
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.training.losses import Targets
from phenostream.trainer.training.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class TrainingCells:
    """N cells.

    Attributes:
        x: (N, 4, 28, 28) float32, normalised.
        targets: Of each.
    """

    x: Tensor
    targets: Targets

    @classmethod
    def of(cls, graph: BundleGraph, cells: CellSet, device: torch.device) -> "TrainingCells":
        """Normalise once; the marker transform of the graph is already set.

        Args:
            graph: On `device`.
            cells: What to train on.
            device: Where the tensors will lie.
        """
        images, background = torch.from_numpy(cells.images), torch.from_numpy(cells.background)
        targets = Targets(
            kind=torch.from_numpy(cells.kind).long().to(device),
            marker_z=graph.target_z(torch.from_numpy(cells.marker_log10).to(device)),
            marker_mask=torch.from_numpy(cells.marker_mask).to(device),
        )
        return cls(graph.preprocess(images, background).to(device), targets)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Tensor) -> tuple[Tensor, Targets]:
        """Some cells."""
        return self.x[index], self.targets.rows(index)


def refuse_untrainable(cells: CellSet, settings: TrainSettings) -> None:
    """Say in one line what makes a training impossible or meaningless.

    Raises:
        BadInput: Too few cells for a step, a pixel or an unmasked target that is not finite, a class without cells, or
            a marker without targets.
    """
    if len(cells) < settings.batch:
        raise BadInput(f"training: {len(cells)} cells, need one batch of {settings.batch} or more")
    for name, column in (("images", cells.images), ("background", cells.background)):
        wrong: Bool = np.asarray(~np.isfinite(column).reshape(len(cells), -1).all(axis=1))
        if wrong.any():
            raise BadInput(f"training: {name} of {_rows(wrong)} are not finite")
    for marker, name in enumerate(MARKERS):
        mask = cells.marker_mask[:, marker]
        wrong = np.logical_and(mask, ~np.isfinite(cells.marker_log10[:, marker]))
        if wrong.any():
            raise BadInput(f"training: {name}: targets of {_rows(wrong)} are not finite")
        if settings.network.tasks != "classes" and not mask.any():
            raise BadInput(f"training: {name}: its mask is all zero; there is no target to learn")
    absent = [name for name, count in cells.counts().items() if name in CLASSES and not count]
    if absent and settings.network.tasks != "markers":
        raise BadInput(f"training: no cell of class {', '.join(absent)}; need some of each class")


def _rows(wrong: Bool) -> str:
    rows = np.flatnonzero(wrong)
    return f"{len(rows)} of {len(wrong)} cells (first: row {rows[0]})"
