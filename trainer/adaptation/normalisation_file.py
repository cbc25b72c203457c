"""`normalisation.npz` of a bundle: what was folded into its graph, so that the network can be made again.

By layer, under torch's names inside the phenotyper, each batch normalisation as it was before: ``weight``, ``bias``,
``running_mean`` and ``running_var``, (C,) float32. Under ``state.`` and its name in the graph what the ONNX file does
not hold as it is, such as the two scalars of the fusion. And what `reference` keeps.
"""

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from phenostream.engine.adaptation_facts import Normalisation
from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.trainer.adaptation.reference import (
    MOST_BYTES,
    NormReference,
    reference_columns,
    reference_from,
)
from phenostream.trainer.adaptation.statistics import live_norms
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.onnx_weights import onnx_weights

NETWORK: Final = "phenotyper."
"""Before the names of the network's own state, in a graph's."""
_OWN: Final = ("weight", "bias", "running_mean", "running_var")
_STATE: Final = "state."


@dataclass(frozen=True, slots=True)
class Folded:
    """What the file says.

    Attributes:
        norms: State of the batch normalisations, by torch's names inside the phenotyper.
        rest: Other state that the ONNX file does not hold, by its name in the graph.
        reference: What they saw of each kind of cell.
    """

    norms: dict[str, Tensor]
    rest: dict[str, Tensor]
    reference: NormReference

    @property
    def layers(self) -> list[str]:
        """Names of the batch normalisations inside the phenotyper."""
        return list(self.reference.kinds[0])


def told_of(graph: BundleGraph, reference: NormReference, *, synthetic: bool) -> Normalisation:
    """What a manifest says of the file."""
    return Normalisation(
        network=graph.phenotyper.network.options.model_dump(mode="json"),
        preprocess_scale=graph.preprocess.scale,
        preprocess_offset=graph.preprocess.offset,
        cells=reference.cells,
        synthetic=synthetic,
    )


def normalisation_bytes(graph: BundleGraph, reference: NormReference, model: bytes) -> bytes:
    """The content of the file; the same arguments give the same bytes.

    Args:
        graph: With live batch normalisations.
        reference: Of it.
        model: Its ONNX file.
    """
    state, held = graph.state_dict(), onnx_weights(model)
    layers = [NETWORK + name for name in live_norms(graph.phenotyper)]
    unfolded = {convolution_before(layer) for layer in layers}
    columns: dict[str, Any] = reference_columns(reference)
    for name, value in state.items():
        layer, _, part = name.rpartition(".")
        if layer in layers:
            if part in _OWN:
                columns[name.removeprefix(NETWORK)] = value.numpy()
        elif name not in unfolded and not (name in held and torch.equal(held[name], value)):
            columns[_STATE + name] = value.numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)
    return buffer.getvalue()


def read_normalisation(content: bytes) -> Folded:
    """Read a file of `normalisation_bytes`.

    Raises:
        BadInput: It is no such file.
    """
    with ArrayArchive(io.BytesIO(content), MOST_BYTES) as archive:
        columns = {name: archive.read(name) for name in archive.sizes}
    reference = reference_from(columns)
    for name, column in columns.items():
        if name != "cells" and (column.dtype != np.float32 or not np.isfinite(column).all()):
            raise BadInput(f"{name}: expected finite float32, found {column.dtype} {column.shape}")
    norms = {}
    for layer, moments in reference.kinds[0].items():
        for part in _OWN:
            column = columns.get(f"{layer}.{part}", np.zeros(0))
            if column.shape != moments.mean.shape or (part == "running_var" and column.min() < 0):
                raise BadInput(f"{layer}.{part}: missing, of another shape, or below 0")
            norms[f"{layer}.{part}"] = torch.from_numpy(column)
    rest = {
        name.removeprefix(_STATE): torch.from_numpy(column)
        for name, column in columns.items()
        if name.startswith(_STATE)
    }
    return Folded(norms, rest, reference)


def convolution_before(layer: str) -> str:
    """Name of the weight that stands right before a normalisation in its sequence."""
    sequence, _, place = layer.rpartition(".")
    return f"{sequence}.{int(place) - 1}.weight"
