"""The model under judgement: what it would say to a daemon, whether it lies in a checkpoint or in a bundle.

A subject answers with the eight calibrated outputs of the one graph, so that an evaluation judges what would be served
and nothing else.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from pydantic import JsonValue

from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import MANIFEST, load_bundle
from phenostream.engine.errors import BadInput, EngineFault
from phenostream.engine.manifest import Calibration, MarkerTransform
from phenostream.engine.types import F32, OUTPUT_SHAPES, Crops, Outputs
from phenostream.trainer.checkpoint import CARD, WEIGHTS, Card, load_checkpoint
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.schema.document import SubjectFacts
from phenostream.trainer.network.graph import BundleGraph

Infer = Callable[[F32, F32], Outputs]
"""From images (N, 4, 28, 28) and background (N, 4) to calibrated outputs, N at most `BATCH`."""
BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that can be asked.

    Attributes:
        facts: What it is; the name and the `synthetic` mark are in there.
        calibration: Its thresholds, and which of its outputs mean anything.
        transform: What its z means.
        infer: Runs the graph on one batch.
        graph: The torch module behind it, for gradients; None for a bundle.
        settings: Of its training, as stored with it; empty where they are not known.
        data_sha256: Of the cells it was trained on, as stored with it; None where unknown.
    """

    facts: SubjectFacts
    calibration: Calibration
    transform: MarkerTransform
    infer: Infer
    graph: BundleGraph | None
    settings: dict[str, JsonValue]
    data_sha256: str | None = None

    @property
    def name(self) -> str:
        """Name and version."""
        return self.facts.name

    @property
    def synthetic(self) -> bool:
        """Some weight was trained on simulated cells."""
        return self.facts.synthetic

    def outputs(self, cells: CellSet | Crops) -> Outputs:
        """What the model says of every cell, in order; the cells may be none.

        Raises:
            EngineFault: The runtime failed, or gave a number that is not finite.
        """
        parts = [
            self.infer(cells.images[start : start + BATCH], cells.background[start : start + BATCH])
            for start in range(0, len(cells), BATCH)
        ]
        if not parts:
            return Outputs(*(np.zeros((0, *shape), np.float32) for shape in OUTPUT_SHAPES.values()))
        said = Outputs(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in OUTPUT_SHAPES)
        )
        failed = np.flatnonzero(~said.finite_rows())
        if len(failed):
            raise EngineFault(
                f"{self.name}: outputs of {len(failed)} of {len(cells)} cells are not finite, first of cell {failed[0]}"
            )
        return said


@contextmanager
def open_subject(folder: Path, backend: str = "auto") -> Iterator[Subject]:
    """A checkpoint folder of `train`, or a bundle in any backend.

    Args:
        folder: Holds `card.json` or `manifest.json`.
        backend: Row of the backend table, for a bundle; a checkpoint is run by torch in float32.

    Raises:
        BadInput: The folder holds neither, or what it holds is refused.
        EngineFault: No backend could run the bundle.
    """
    if (folder / MANIFEST).is_file():
        yield from _bundle_subject(folder, backend)
    elif (folder / CARD).is_file():
        checkpoint = load_checkpoint(folder)
        identity = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        yield graph_subject(checkpoint.graph, checkpoint.card, identity)
    else:
        raise BadInput(
            f"{folder}: holds neither {CARD} (a checkpoint) nor {MANIFEST} (a bundle); nothing to evaluate"
        )


def graph_subject(graph: BundleGraph, card: Card, identity: str) -> Subject:
    """A calibrated graph in this process.

    Args:
        graph: Put into evaluation mode.
        card: What is known of it; its metrics do not matter.
        identity: SHA-256 of its weights.
    """
    graph.eval()
    facts = SubjectFacts(
        name=f"{card.name} {card.version}",
        synthetic=card.synthetic,
        source="checkpoint",
        identity=identity,
        runtime="torch fp32",
        calibrated=card.calibration.status == "calibrated",
        marker_unit=card.marker_unit,
        parameters=sum(p.numel() for p in graph.parameters()),
    )

    def infer(images: F32, background: F32) -> Outputs:
        with torch.inference_mode():
            said = graph(torch.from_numpy(images), torch.from_numpy(background))
        return Outputs(*(column.numpy() for column in said))

    return Subject(
        facts,
        card.calibration,
        card.marker_transform,
        infer,
        graph,
        dict(card.settings),
        card.data_sha256,
    )


def _bundle_subject(folder: Path, name: str) -> Iterator[Subject]:
    bundle = load_bundle(folder)
    manifest = bundle.manifest
    backend = open_backend(bundle, name, streams=1, max_batch=BATCH)
    facts = SubjectFacts(
        name=f"{manifest.name} {manifest.version}",
        synthetic=manifest.synthetic,
        source="bundle",
        identity=bundle.sha256,
        runtime=f"{backend.name} {backend.precision}",
        calibrated=manifest.calibration.status == "calibrated",
        marker_unit=manifest.marker_unit,
        parameters=manifest.parameters,
    )
    try:
        yield Subject(
            facts,
            manifest.calibration,
            manifest.marker_transform,
            backend.infer,
            None,
            dict(manifest.training),
            manifest.data_sha256,
        )
    finally:
        backend.close()
