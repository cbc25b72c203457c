"""The population that a bundle was trained for, as its file ``population.npz`` tells it.

Sums over frames, and the projections of the feature that are watched. Of a bundle without that file nothing is known to
compare with.
"""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.drift.frame import Projection
from phenostream.engine.drift.quantities import AXES, quantities_of
from phenostream.engine.drift.sums import COLUMNS, Sums, is_possible
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.types import FEATURE_DIM

_MOST_BYTES: Final = 1 << 20
_SHAPES: Final = {"frames": (1,), "centre": (FEATURE_DIM,), "axes": (FEATURE_DIM, AXES)}


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """See the module.

    Attributes:
        sums: Over the frames it is told of.
        projection: Of the feature.
    """

    sums: Sums
    projection: Projection


def population_bytes(population: Population) -> bytes:
    """The file."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        frames=np.array([population.sums.frames], np.int64),
        sums=population.sums.table,
        centre=population.projection.centre,
        axes=population.projection.axes,
    )
    return buffer.getvalue()


def population_of(content: bytes, context: SummaryContext) -> Population:
    """The population that a file tells, of a model whose numbers mean this.

    Raises:
        BadInput: It is no such file, of another model's quantities, or its sums cannot be.
    """
    with ArrayArchive(io.BytesIO(content), _MOST_BYTES) as archive:
        arrays = {name: archive.read(name) for name in archive.sizes}
    rows = len(quantities_of(context))
    shapes = {**_SHAPES, "sums": (rows, COLUMNS)}
    if set(arrays) != set(shapes):
        odd = ", ".join(sorted(set(arrays) ^ set(shapes)))
        raise BadInput(f"arrays missing or unknown: {odd[:80]}")
    for name, shape in shapes.items():
        numbers = arrays[name].dtype.kind in "iuf"
        if not numbers or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise BadInput(
                f"{name}: {arrays[name].dtype} {arrays[name].shape}, allowed finite numbers {shape}"
            )
    sums = Sums(rows)
    sums.frames, sums.table = int(arrays["frames"][0]), arrays["sums"].astype(np.float64)
    if sums.frames < 1 or not is_possible(sums.table):
        raise BadInput(f"sums: of {sums.frames} frames, with a negative square or denominator")
    centre, axes = (arrays[name].astype(np.float32) for name in ("centre", "axes"))
    return Population(sums, Projection(centre, axes))
