"""What training leaves behind: weights as safetensors, and beside them the card that says what they are.

One directory: `model.safetensors` (a `BundleGraph` with its calibration), `card.json`, `golden_inputs.npz`,
`evidence.npz`, what the model said of its calibration cells, `population.npz`, what that is as a population, and
`norm_reference.npz`, what its batch normalisations saw of them.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from phenostream.engine.adaptation_facts import Adapted
from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import (
    POPULATION_FILE,
    Calibration,
    MarkerTransform,
    Metric,
    TrainingPopulation,
)
from phenostream.engine.types import F32, Crops
from phenostream.trainer.adaptation.reference import (
    NormReference,
    reference_bytes,
    reference_of,
)
from phenostream.trainer.calibration.evidence import Evidence, load_evidence, save_evidence
from phenostream.trainer.network.graph import BundleGraph, Preprocess
from phenostream.trainer.network.network_options import NetworkOptions
from phenostream.trainer.written_whole import write_whole

WEIGHTS = "model.safetensors"
CARD = "card.json"
GOLDEN_INPUTS = "golden_inputs.npz"
EVIDENCE = "evidence.npz"
REFERENCE = "norm_reference.npz"
_LARGEST_CARD = 1 << 20
_LARGEST_GOLDEN = 64 << 20
_UNREADABLE = (
    OSError,
    ValueError,
    RecursionError,
    BadInput,
    KeyError,
    RuntimeError,
    ValidationError,
    SafetensorError,
)


class Card(BaseModel):
    """Everything about a trained model that its weights do not say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    synthetic: bool
    description: str
    marker_unit: str
    marker_transform: MarkerTransform
    calibration: Calibration
    metrics: tuple[Metric, ...] = ()
    data_sha256: str
    licence: str = "Apache-2.0"
    reduction_kernel: Literal["area", "bsccm-gaussian"] = "area"
    settings: dict[str, Any] = {}
    network: NetworkOptions = NetworkOptions()
    preprocess: Preprocess = Preprocess()
    training_population: TrainingPopulation | None = None
    adapted: Adapted | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained, calibrated graph with its card and the crops its golden outputs will be made from.

    Attributes:
        evidence: What it was calibrated to; None where that is not kept, and the model cannot be given another prior.
        population: File of what it said of a population, which the card tells of; None where it tells of none.
        reference: What its batch normalisations saw of held-out cells; None where that is not kept, and the model
            cannot be adapted to other cells.
    """

    graph: BundleGraph
    card: Card
    golden: Crops
    evidence: Evidence | None = None
    population: bytes | None = None
    reference: NormReference | None = None


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write the files, the card last: without it the folder is no checkpoint. Returns `folder`.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    state = {name: value.contiguous() for name, value in checkpoint.graph.state_dict().items()}
    write_whole(folder / WEIGHTS, save(state))
    crops, golden = checkpoint.golden, io.BytesIO()
    np.savez_compressed(golden, images=crops.images, background=crops.background)
    write_whole(folder / GOLDEN_INPUTS, golden.getvalue())
    (folder / EVIDENCE).unlink(missing_ok=True)
    if checkpoint.evidence is not None:
        save_evidence(checkpoint.evidence, folder / EVIDENCE)
    (folder / POPULATION_FILE).unlink(missing_ok=True)
    if checkpoint.population is not None:
        write_whole(folder / POPULATION_FILE, checkpoint.population)
    (folder / REFERENCE).unlink(missing_ok=True)
    if checkpoint.reference is not None:
        write_whole(folder / REFERENCE, reference_bytes(checkpoint.reference))
    write_whole(folder / CARD, (checkpoint.card.model_dump_json(indent=1) + "\n").encode())
    return folder


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint directory.

    Raises:
        BadInput: A file is missing, of another schema, or does not fit the network.
    """
    try:
        card = Card.model_validate(json.loads(_limited(folder / CARD, _LARGEST_CARD)))
        graph = BundleGraph(card.preprocess, card.marker_transform.scale, card.network)
        graph.load_state_dict(load_file(folder / WEIGHTS))
        with (
            (folder / GOLDEN_INPUTS).open("rb") as file,
            ArrayArchive(file, _LARGEST_GOLDEN) as golden,
        ):
            crops = Crops(_f32(golden.read("images")), _f32(golden.read("background")))
        kept = (folder / EVIDENCE).exists()
        evidence = load_evidence(folder / EVIDENCE) if kept else None
        told = card.training_population is not None
        population = _limited(folder / POPULATION_FILE, _LARGEST_CARD) if told else None
        adaptable = (folder / REFERENCE).exists()
        reference = (
            reference_of(_limited(folder / REFERENCE, _LARGEST_GOLDEN)) if adaptable else None
        )
    except _UNREADABLE as err:
        reason = " ".join(str(err).split())[:200]
        raise BadInput(f"{folder}: not a trained checkpoint: {reason}") from err
    return Checkpoint(graph.eval(), card, crops, evidence, population, reference)


def _limited(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise BadInput(f"{path.name}: more than {most} bytes")
    return content


def _f32(array: np.ndarray[Any, Any]) -> F32:
    return np.ascontiguousarray(array, dtype=np.float32)
