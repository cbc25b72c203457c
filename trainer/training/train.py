"""A whole training, as a table of contents: data, fit, calibrate, evaluate, save.

The result is a checkpoint directory for `export`. `train` makes simulated cells, and the result says so; `train_on`
takes cells from anywhere.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
import torch

from phenostream.engine.drift.population import population_bytes
from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import MarkerTransform, Metric
from phenostream.engine.optics.presets import PRESETS
from phenostream.engine.types import I32, MARKERS
from phenostream.trainer.adaptation.reference import measure_reference
from phenostream.trainer.calibration.calibrate import calibrate, refuse_few
from phenostream.trainer.calibration.evidence import observe
from phenostream.trainer.checkpoint import Card, Checkpoint, save_checkpoint
from phenostream.trainer.data.cell_set import CellSet, concatenate
from phenostream.trainer.data.simulated import Part, PartSettings, make_cells
from phenostream.trainer.data.teaching import with_expected_levels
from phenostream.trainer.evaluation.card_metrics import card_metrics
from phenostream.trainer.evaluation.data import EvaluationData
from phenostream.trainer.evaluation.evaluate import evaluate_model
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.evaluation.schema.document import DataFacts
from phenostream.trainer.evaluation.subject import graph_subject
from phenostream.trainer.golden import golden_crops
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.network.network_options import NetworkOptions
from phenostream.trainer.population import population_of_cells, told_of
from phenostream.trainer.training import recipe_published
from phenostream.trainer.training.distributed import current_world, in_turn, joined
from phenostream.trainer.training.fit import fit
from phenostream.trainer.training.marker_fit import fit_marker_branch
from phenostream.trainer.training.precision import choose
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.spread_fit import fit_spread

logger = logging.getLogger(__name__)

_DESCRIPTION: Final = (
    "Demonstration weights trained on simulated cells only (synthetic). "
    "Research use; says nothing about blood."
)


_EXPECTED: Final = (
    " Its marker heads were taught the levels to be expected of each training cell's true size and maturity, "
    "which no real data set knows; its intervals and figures stand on measured levels."
)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says of the cells a model was trained on; by default of simulated ones.

    Attributes:
        name: Of the model.
        description: For a person, one paragraph.
        marker_unit: Of marker estimates.
        synthetic: Some of the cells are simulated.
        reduction_kernel: How the pixels were made smaller.
    """

    name: str = "phenostream-demo"
    description: str = _DESCRIPTION
    marker_unit: str = "a.u. (synthetic)"
    synthetic: bool = True
    reduction_kernel: Literal["area", "bsccm-gaussian"] = "area"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The parts of one training.

    Attributes:
        train, select, calibrate: Cells with measured levels.
        test: By name of what it holds, such as a preset.
        taught: The training cells with targets free of noise, where a simulator knows them; None where not.
        facts: For the card.
        stratum: (N,) which of several populations each cell to calibrate on is of; None: there is one.
    """

    train: CellSet
    select: CellSet
    calibrate: CellSet
    test: dict[str, CellSet]
    taught: CellSet | None = None
    facts: CardFacts = CardFacts()
    stratum: I32 | None = None


def train(settings: TrainSettings, seeds: int = 1) -> list[Path]:
    """Make simulated data, then train, calibrate, evaluate and save, once per seed.

    Args:
        settings: What to do; an interrupted training of equal settings goes on after its last epoch.
        seeds: Trainings, of seeds `settings.seed` and the numbers after it, on the same data.

    Returns:
        Checkpoint directories for `export_model`: `settings.out`, or a folder in it per seed where there are several.

    Raises:
        BadConfig: The settings do not fit the simulator, this machine or the number of processes.
        BadInput: Too few cells to calibrate or evaluate with.
    """
    folders = [settings.out] if seeds == 1 else []
    folders = folders or [settings.out / f"seed-{settings.seed + index}" for index in range(seeds)]
    with joined() as world:
        data = in_turn(world, lambda: make_data(settings))
        for index, folder in enumerate(folders):
            train_on(data, settings.model_copy(update={"seed": settings.seed + index}), folder)
    return folders


def train_on(data: TrainingData, settings: TrainSettings, out: Path) -> Path:
    """Train on any cells, calibrate, evaluate and save.

    Args:
        data: No two parts share a cell.
        settings: All but `out`.
        out: Checkpoint directory to write; the state of an interrupted training of equal settings and cells is resumed.

    Returns:
        `out`, complete. With several processes only the first one calibrates, evaluates and saves; the others wait.

    Raises:
        BadInput: Nothing can be learnt from these cells, or too few are there to calibrate or evaluate with.
        OSError: A file cannot be written.
    """
    settings = settings.model_copy(update={"out": out})
    refuse_few(data.calibrate, data.stratum)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(settings.threads)
    torch.manual_seed(settings.seed)
    graph, transform = fresh_graph(settings, data.train)
    shown = data.train if data.taught is None else data.taught
    best = fit(graph, shown, data.select, settings)
    if data.taught is not None and current_world().first:
        narrow = choose(settings).narrow
        if settings.network == NetworkOptions():
            fit_marker_branch(graph, data.taught, settings.seed, narrow)
        fit_spread(graph, data.train, settings.seed, narrow)
    logger.info("best epoch %d: accuracy %.4f", best.epoch + 1, best.accuracy)
    world = current_world()
    if world.first:
        save_checkpoint(_checkpoint(graph, transform, data, settings), out)
    world.wait()
    return out


def fresh_graph(settings: TrainSettings, cells: CellSet) -> tuple[BundleGraph, MarkerTransform]:
    """An untrained graph of the settings' shape and recipe, with the marker transform of these cells in it.

    The published recipe has affine input and linear targets, standardised after oversampling. Where no cell is known to
    be foreign there is nothing to learn rejection from: the reject head then says nothing.
    """
    if settings.recipe == "published":
        graph = BundleGraph(recipe_published.PREPROCESS, "linear", settings.network)
        transform = set_transform(graph, recipe_published.oversampled_cells(cells, settings.seed))
    else:
        graph = BundleGraph(options=settings.network)
        transform = set_transform(graph, cells)
    if settings.recipe == "published" or not cells.foreign.any():
        graph.phenotyper.silence_reject()
    return graph, transform


def _checkpoint(
    graph: BundleGraph, transform: MarkerTransform, data: TrainingData, settings: TrainSettings
) -> Checkpoint:
    calibration = calibrate(graph, data.train, data.calibrate, stratum=data.stratum)
    facts = data.facts
    card = Card(
        name=facts.name,
        version="0.3.1",
        synthetic=facts.synthetic,
        description=facts.description,
        marker_unit=facts.marker_unit,
        marker_transform=transform,
        calibration=calibration,
        data_sha256=data.train.sha256(),
        reduction_kernel=facts.reduction_kernel,
        settings=settings.model_dump(mode="json", exclude={"out"}),
        network=settings.network,
        preprocess=graph.preprocess,
    )
    card = card.model_copy(update={"metrics": measure_card(graph, card, data)})
    golden = golden_crops(data.calibrate, graph)
    evidence = observe(graph, data.calibrate, data.stratum)
    reference = measure_reference(graph, data.calibrate)
    population = population_of_cells(graph, calibration, data.calibrate)
    if population is None:
        logger.warning(
            "too few cells to calibrate on for a population that streams are compared with"
        )
        return Checkpoint(graph, card, golden, evidence, reference=reference)
    told = {"training_population": told_of(population, synthetic=card.synthetic)}
    card = card.model_copy(update=told)
    content = population_bytes(population)
    return Checkpoint(graph, card, golden, evidence, content, reference)


def measure_card(graph: BundleGraph, card: Card, data: TrainingData) -> tuple[Metric, ...]:
    """What a card says of its model: figures on every test set."""
    subject = graph_subject(graph, card, data.train.sha256())
    metrics: list[Metric] = []
    for name, cells in data.test.items():
        facts = DataFacts(name=name, synthetic=card.synthetic, protocol="held out")
        evaluation = evaluate_model(
            subject, EvaluationData(data.train, cells, {}, facts), BootstrapSettings()
        )
        metrics += card_metrics(evaluation, name)
    return tuple(metrics)


def make_data(settings: TrainSettings) -> TrainingData:
    """Every part, from the cache in `settings.out` or newly made; no two parts share a cell or a frame."""
    cache = settings.out / "data"

    def part(name: Part, preset_index: int, crops: int, objects: int) -> CellSet:
        preset = PRESETS[preset_index]
        return make_cells(PartSettings(name, preset, settings.seed, objects, crops), cache)

    def both(name: Part, crops: int, objects: int) -> list[CellSet]:
        return [part(name, index, crops, objects) for index in range(len(PRESETS))]

    held_out, few = settings.held_out, max(50, settings.held_out // 3)
    chosen_on, fewer = max(100, held_out // 6), max(50, few // 6)
    cells = concatenate(both("train", settings.crops // 2, settings.objects // 2))
    expected = settings.levels == "expected"
    held_back = both("calibrate", held_out, few)
    preset_of = np.repeat(np.arange(len(PRESETS)), [len(cells) for cells in held_back])
    return TrainingData(
        train=cells,
        taught=with_expected_levels(cells) if expected else None,
        facts=CardFacts(description=_DESCRIPTION + _EXPECTED if expected else _DESCRIPTION),
        select=concatenate(both("select", chosen_on, fewer)),
        calibrate=concatenate(held_back),
        stratum=preset_of.astype(np.int32),
        test={
            f"synthetic cells, preset {preset}, held out": cells
            for preset, cells in zip(PRESETS, both("test", held_out, few), strict=True)
        },
    )


def set_transform(graph: BundleGraph, cells: CellSet) -> MarkerTransform:
    """Mean and sd of the targets on the graph's scale over unmasked training cells, into the graph and the manifest."""
    means, sds = [], []
    for marker, name in enumerate(MARKERS):
        values = cells.marker_log10[cells.marker_mask[:, marker], marker].astype(np.float64)
        values = 10**values if graph.marker_scale == "linear" else values
        if len(values) < 2 or values.std() < 1e-6:
            raise BadInput(f"{name}: {len(values)} targets with no spread; nothing to learn")
        means.append(float(np.float32(values.mean())))
        sds.append(float(np.float32(values.std())))
    with torch.no_grad():
        graph.marker_mean.copy_(torch.tensor(means))
        graph.marker_sd.copy_(torch.tensor(sds))
    (a, b, c, d), (e, f, g, h) = means, sds
    return MarkerTransform(scale=graph.marker_scale, mean=(a, b, c, d), sd=(e, f, g, h))
