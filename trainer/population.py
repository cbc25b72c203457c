"""What a trained model says of held-out cells, frame by frame, to compare streams with later (`engine.drift`).

Of labelled white cells only: how many other objects lie among labelled crops says nothing of a stream, so that the
rejected share is not told, and nothing that a source's camera decides.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from phenostream.engine.drift.frame import frame_values, principal_projection
from phenostream.engine.drift.population import Population
from phenostream.engine.drift.quantities import AXES, quantities_of
from phenostream.engine.drift.sums import Sums
from phenostream.engine.manifest import Calibration, MarkerTransform, TrainingPopulation
from phenostream.engine.postprocess import CLASSIFIED, NO_CLASS, REJECTED
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.types import CLASSES, MARKERS, OUTPUT_SHAPES, Outputs
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph

LEAST_CELLS: Final = 10 * AXES
"""Of fewer classified cells no projection of the feature is made, and no population told."""
_BATCH: Final = 256


def population_of_cells(
    graph: BundleGraph, calibration: Calibration, cells: CellSet
) -> Population | None:
    """What a calibrated graph says of the white ones of some cells; None of too few.

    Args:
        graph: Calibrated.
        calibration: Its thresholds.
        cells: That neither trained nor selected it; their groups are the frames.
    """
    white = cells.select(cells.white)
    outputs, context = _said(graph, white), _context(calibration)
    limit = calibration.reject_threshold
    rejected = np.zeros(len(white), bool) if limit is None else outputs.reject_probability >= limit
    status = np.where(rejected, REJECTED, CLASSIFIED).astype(np.uint8)
    if np.count_nonzero(~rejected) < LEAST_CELLS:
        return None
    beyond = calibration.ood_threshold
    columns: dict[str, npt.NDArray[Any]] = {
        "status": status,
        "class": np.where(rejected, NO_CLASS, outputs.most_probable()).astype(np.uint8),
        "marker_z": outputs.marker_z,
        "ood": np.zeros(len(white), bool) if beyond is None else outputs.ood_score > beyond,
    }
    projection = principal_projection(outputs.feature[~rejected])
    sums = Sums(len(quantities_of(context)))
    for group in np.unique(white.group):
        of_frame = white.group == group
        mine = {name: column[of_frame] for name, column in columns.items()}
        projected = projection.of(outputs.feature[of_frame & ~rejected])
        sums.add(*frame_values(context, mine, projected))
    return Population(sums, projection)


def told_of(population: Population, *, synthetic: bool) -> TrainingPopulation:
    """What a manifest says of it."""
    return TrainingPopulation(
        cells="the white cells that the model was calibrated on: held out of its training, of the same sources",
        frames=population.sums.frames,
        classified=round(population.sums.weight(0)),
        synthetic=synthetic,
        precision="fp32",
    )


def _said(graph: BundleGraph, cells: CellSet) -> Outputs:
    parts = []
    with torch.inference_mode():
        for start in range(0, len(cells), _BATCH):
            images = torch.from_numpy(cells.images[start : start + _BATCH])
            background = torch.from_numpy(cells.background[start : start + _BATCH])
            parts.append([one.numpy() for one in graph.eval()(images, background)])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Outputs(**dict(zip(OUTPUT_SHAPES, columns, strict=True)))


def _context(calibration: Calibration) -> SummaryContext:
    """Only names and what is scored matter here; nothing is rejected, as far as anybody is told."""
    return SummaryContext(
        classes=CLASSES,
        markers=MARKERS,
        marker_unit="",
        marker_transform=MarkerTransform(scale="linear", mean=(0, 0, 0, 0), sd=(1, 1, 1, 1)),
        half_width_z=None,
        interval_coverage=None,
        calibrated=True,
        model_synthetic=False,
        source_synthetic=False,
        model="",
        scores_ood=calibration.ood_threshold is not None,
        rejects=False,
    )
