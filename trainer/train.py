"""A whole training on simulated cells, as a table of contents: data, fit, calibrate, evaluate, save.

The result is a checkpoint directory for `export`. It is synthetic, and says so.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch

from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import MarkerTransform, Metric
from phenostream.engine.optics.presets import PRESETS
from phenostream.engine.types import MARKERS, Crops
from phenostream.trainer.calibrate import calibrate
from phenostream.trainer.checkpoint import Card, Checkpoint, save_checkpoint
from phenostream.trainer.data.cell_set import KINDS, CellSet, concatenate
from phenostream.trainer.data.simulated import Part, PartSettings, make_cells
from phenostream.trainer.evaluate import evaluate
from phenostream.trainer.fit import fit
from phenostream.trainer.graph import BundleGraph
from phenostream.trainer.settings import TrainSettings

logger = logging.getLogger(__name__)

GOLDEN_CROPS: Final = 24
_DESCRIPTION: Final = (
    "Demonstration weights trained on simulated cells only (synthetic). "
    "Research use; says nothing about blood."
)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The parts of one training; `test` by preset."""

    train: CellSet
    select: CellSet
    calibrate: CellSet
    test: dict[str, CellSet]


def train(settings: TrainSettings) -> Path:
    """Make the data, train, calibrate, evaluate and save.

    Args:
        settings: What to do; an interrupted training of equal settings goes on after its last epoch.

    Returns:
        `settings.out`, a checkpoint directory for `export_model`.

    Raises:
        BadConfig: The settings do not fit the simulator.
        BadInput: Too few cells to calibrate or evaluate with.
    """
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(settings.threads)
    data = make_data(settings)
    torch.manual_seed(settings.seed)
    graph = BundleGraph()
    transform = set_transform(graph, data.train)
    best = fit(graph, data.train, data.select, settings)
    logger.info("best epoch %d: accuracy %.4f", best.epoch + 1, best.accuracy)
    calibration = calibrate(graph, data.train, data.calibrate)
    metrics: list[Metric] = []
    for preset, cells in data.test.items():
        note = f"synthetic cells, preset {preset}, held out"
        metrics += evaluate(graph, calibration, cells, note, settings.seed)
    card = Card(
        name="phenostream-demo",
        version="0.1.0",
        synthetic=True,
        description=_DESCRIPTION,
        marker_unit="a.u. (synthetic)",
        marker_transform=transform,
        calibration=calibration,
        metrics=tuple(metrics),
        data_sha256=data.train.sha256(),
        settings=settings.model_dump(mode="json", exclude={"out"}),
    )
    return save_checkpoint(Checkpoint(graph, card, golden_crops(data.calibrate)), settings.out)


def make_data(settings: TrainSettings) -> TrainingData:
    """Every part, from the cache in `settings.out` or newly made; no two parts share a cell or a frame."""
    cache = settings.out / "data"

    def part(name: Part, preset_index: int, crops: int, objects: int) -> CellSet:
        preset = PRESETS[preset_index]
        return make_cells(PartSettings(name, preset, settings.seed, objects, crops), cache)

    def both(name: Part, crops: int, objects: int) -> list[CellSet]:
        return [part(name, index, crops, objects) for index in range(len(PRESETS))]

    held_out, few = settings.held_out, max(50, settings.held_out // 3)
    return TrainingData(
        train=concatenate(both("train", settings.crops // 2, settings.objects // 2)),
        select=concatenate(both("select", held_out // 2, few // 2)),
        calibrate=concatenate(both("calibrate", held_out, few)),
        test=dict(zip(PRESETS, both("test", held_out, few), strict=True)),
    )


def set_transform(graph: BundleGraph, cells: CellSet) -> MarkerTransform:
    """Mean and sd of the log10 targets over unmasked training cells, into the graph and the manifest."""
    means, sds = [], []
    for marker, name in enumerate(MARKERS):
        values = cells.marker_log10[cells.marker_mask[:, marker], marker].astype(np.float64)
        if len(values) < 2 or values.std() < 1e-6:
            raise BadInput(f"{name}: {len(values)} targets with no spread; nothing to learn")
        means.append(float(np.float32(values.mean())))
        sds.append(float(np.float32(values.std())))
    with torch.no_grad():
        graph.marker_mean.copy_(torch.tensor(means))
        graph.marker_sd.copy_(torch.tensor(sds))
    (a, b, c, d), (e, f, g, h) = means, sds
    return MarkerTransform(scale="log10", mean=(a, b, c, d), sd=(e, f, g, h))


def golden_crops(cells: CellSet) -> Crops:
    """Crops for the self-test: as many of each kind as there are, in turn."""
    by_kind = [np.flatnonzero(cells.kind == index) for index in range(len(KINDS))]
    longest = max(len(rows) for rows in by_kind)
    in_turn = [rows[place] for place in range(longest) for rows in by_kind if place < len(rows)]
    chosen = np.array(in_turn[:GOLDEN_CROPS])
    return Crops(cells.images[chosen], cells.background[chosen])
