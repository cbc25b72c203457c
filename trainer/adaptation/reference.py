"""What a network's batch normalisations see of each kind of cell where it was trained: what a site is compared with.

The statistics that a layer was trained with are of augmented cells under dropout and of the training's own mix of
kinds; these are of held-out cells as they are, in evaluation mode, for each class and for what is no white cell. Mixed
by a site's shares they are what the site's cells would give if nothing but the shares were different.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, Crops
from phenostream.trainer.adaptation.statistics import Moments, measured_statistics, pooled
from phenostream.trainer.data.cell_set import WHITE, CellSet
from phenostream.trainer.network.graph import BundleGraph

GROUPS: Final = (*CLASSES, "other objects")
"""Kinds that are told apart: the classes, and everything that is to be rejected."""
LEAST_OF_A_CLASS: Final = 10
_ENOUGH: Final = 500
"""Cells of a kind that are enough, evenly taken."""
_BATCH: Final = 128
_FIELDS: Final = ("mean", "variance")
_AXES: Final = 2
MOST_BYTES: Final = 16 << 20
"""Of all arrays of a file."""


@dataclass(frozen=True, slots=True)
class NormReference:
    """By kind, what each layer's input is like.

    Attributes:
        cells: Of each of `GROUPS`, how many were measured; of other objects 0 where none are known.
        kinds: Of each of `GROUPS` with cells, by layer name inside the phenotyper.
    """

    cells: tuple[int, int, int, int]
    kinds: tuple[dict[str, Moments], ...]

    def mixed(self, shares: Sequence[float]) -> dict[str, Moments]:
        """What cells of these shares of the classes give.

        Args:
            shares: (3,), 1 in all.
        """
        return pooled(self.kinds[: len(CLASSES)], shares)


def measure_reference(graph: BundleGraph, cells: CellSet) -> NormReference | None:
    """Run a trained graph over cells that it was not trained on.

    Returns:
        None where the network has no batch normalisation or no classes, or a class has fewer than `LEAST_OF_A_CLASS`
        cells: such a model cannot be adapted.
    """
    options = graph.phenotyper.network.options
    groups = [cells.kind == index for index in range(len(CLASSES))] + [cells.kind >= WHITE]
    counts = [int(rows.sum()) for rows in groups]
    if options.norm != "batch" or not options.cnn or options.tasks == "markers":
        return None
    if min(counts[: len(CLASSES)]) < LEAST_OF_A_CLASS:
        return None
    kinds = []
    for rows in groups:
        chosen = np.flatnonzero(rows)
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _ENOUGH)).astype(np.int64)]
        if len(chosen):
            kinds.append(
                measured_statistics(graph.phenotyper, network_input(graph, cells.select(chosen)))
            )
    told = [min(count, _ENOUGH) for count in counts]
    return NormReference((told[0], told[1], told[2], told[3]), tuple(kinds))


def network_input(graph: BundleGraph, cells: Crops | CellSet) -> list[Tensor]:
    """Normalised crops in batches, as the phenotyper takes them."""
    batches = []
    for start in range(0, len(cells), _BATCH):
        rows = slice(start, start + _BATCH)
        images, background = cells.images[rows], cells.background[rows]
        batches.append(graph.preprocess(torch.from_numpy(images), torch.from_numpy(background)))
    return batches


def reference_bytes(reference: NormReference) -> bytes:
    """The content of a file for `reference_of`; the same reference gives the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **reference_columns(reference))
    return buffer.getvalue()


def reference_of(content: bytes) -> NormReference:
    """Read what `reference_bytes` wrote.

    Raises:
        BadInput: It is no such file.
    """
    with ArrayArchive(io.BytesIO(content), MOST_BYTES) as archive:
        return reference_from({name: archive.read(name) for name in archive.sizes})


def reference_columns(reference: NormReference) -> dict[str, Any]:
    """Arrays by name: ``cells``, and (kinds, C) float32 ``kind_mean`` and ``kind_variance`` of each layer."""
    columns: dict[str, Any] = {"cells": np.array(reference.cells, np.int32)}
    for name in reference.kinds[0]:
        for field in _FIELDS:
            rows = torch.stack([getattr(kind[name], field) for kind in reference.kinds])
            columns[f"{name}.kind_{field}"] = rows.numpy().astype(np.float32)
    return columns


def reference_from(columns: Mapping[str, np.ndarray[Any, Any]]) -> NormReference:
    """The reference among arrays that may be others', too.

    Raises:
        BadInput: One is missing or not what it should be.
    """
    cells = columns.get("cells", np.zeros(0))
    if cells.shape != (len(GROUPS),) or cells.dtype != np.int32 or (cells < 0).any():
        raise BadInput(f"cells: expected {len(GROUPS)} counts, found {cells.dtype} {cells.shape}")
    kinds = int((cells > 0).sum())
    marked = ".kind_mean"
    names = [name.removesuffix(marked) for name in columns if name.endswith(marked)]
    if not names or (cells[: len(CLASSES)] == 0).any():
        raise BadInput("holds no layers, or a class without cells")
    layers = {name: [_column(columns, name, field, kinds) for field in _FIELDS] for name in names}
    for name, (mean, variance) in layers.items():
        if mean.shape != variance.shape or (variance < 0).any():
            raise BadInput(f"{name}: a variance below 0, or not one for each mean")
    one, other, third, foreign = (int(count) for count in cells)
    by_kind = (
        {name: Moments(mean[kind], variance[kind]) for name, (mean, variance) in layers.items()}
        for kind in range(kinds)
    )
    return NormReference((one, other, third, foreign), tuple(by_kind))


def _column(
    columns: Mapping[str, np.ndarray[Any, Any]], name: str, field: str, kinds: int
) -> Tensor:
    column = columns.get(f"{name}.kind_{field}", np.zeros(0))
    good = column.dtype == np.float32 and column.ndim == _AXES and len(column) == kinds
    if not good or not np.isfinite(column).all():
        raise BadInput(
            f"{name}.kind_{field}: expected finite float32 ({kinds}, C), found {column.dtype} {column.shape}"
        )
    return torch.from_numpy(column).double()
