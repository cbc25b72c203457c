"""From a bundle back to a checkpoint whose batch normalisations are live, so that it can be fitted to other cells.

A bundle's graph has every batch normalisation folded into the convolution before it; `normalisation.npz` says what it
was. What is rebuilt must give the bundle's golden outputs.
"""

import torch
from pydantic import ValidationError
from torch import Tensor

from phenostream.engine.adaptation_facts import NORMALISATION_FILE, Normalisation
from phenostream.engine.backends.golden_difference import golden_difference
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadBundle, BadInput
from phenostream.engine.manifest import POPULATION_FILE, Manifest
from phenostream.engine.types import F32, OUTPUT_SHAPES
from phenostream.trainer.adaptation.normalisation_file import (
    NETWORK,
    Folded,
    convolution_before,
    read_normalisation,
)
from phenostream.trainer.checkpoint import Card, Checkpoint
from phenostream.trainer.export import run_graph
from phenostream.trainer.network.graph import BundleGraph, Preprocess
from phenostream.trainer.network.network_options import NetworkOptions
from phenostream.trainer.onnx_weights import onnx_weights


def unfold(bundle: Bundle) -> Checkpoint:
    """The checkpoint behind a bundle; what it was calibrated to is not in a bundle, and not in the checkpoint.

    Raises:
        BadBundle: It does not say what was folded, or what is rebuilt does not give its golden outputs.
    """
    facts = bundle.manifest.normalisation
    if facts is None:
        raise BadBundle(
            f"{bundle.path}: has no {NORMALISATION_FILE}, which tells how its batch normalisations were folded: "
            "it was exported before that was kept, or has none; train and export it again"
        )
    try:
        folded = read_normalisation(bundle.files[NORMALISATION_FILE])
        graph = _empty_graph(bundle.manifest, facts)
        _fill(graph, onnx_weights(bundle.files["model.onnx"]), folded)
    except (BadInput, KeyError, ValueError, RuntimeError) as err:
        reason = " ".join(str(err).split())[:200]
        raise BadBundle(f"{bundle.path}: {NORMALISATION_FILE} does not fit: {reason}") from err
    _verify(bundle, graph)
    card = _card(bundle.manifest, graph)
    population = bundle.files.get(POPULATION_FILE)
    return Checkpoint(graph, card, bundle.golden.crops, None, population, folded.reference)


def _empty_graph(manifest: Manifest, facts: Normalisation) -> BundleGraph:
    try:
        options = NetworkOptions.model_validate(facts.network)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        raise BadInput(f"network: {'.'.join(map(str, first['loc']))}: {first['msg']}") from err
    preprocess = Preprocess(manifest.preprocess, facts.preprocess_scale, facts.preprocess_offset)
    return BundleGraph(preprocess, manifest.marker_transform.scale, options)


def _fill(graph: BundleGraph, weights: dict[str, Tensor], folded: Folded) -> None:
    """Load the state, each convolution without the normalisation that was folded into it.

    Raises:
        KeyError, RuntimeError: Some of it is missing, or of another shape.
    """
    state = graph.state_dict()
    whole = {name: value for name, value in weights.items() if name in state} | folded.rest
    whole |= {NETWORK + name: value for name, value in folded.norms.items()}
    whole |= {name: value for name, value in state.items() if name.endswith("num_batches_tracked")}
    for layer in folded.layers:
        norms = folded.norms
        spread = torch.sqrt(norms[f"{layer}.running_var"].double() + _eps(graph, layer))
        gain = norms[f"{layer}.weight"].double() / spread
        name = convolution_before(NETWORK + layer)
        plain = weights[name].double() / gain[:, None, None, None]
        whole[name] = torch.where(plain.isfinite(), plain, 0.0).float()  # a silenced channel
    graph.load_state_dict(whole)
    graph.eval()


def _eps(graph: BundleGraph, layer: str) -> float:
    norm = graph.phenotyper.get_submodule(layer)
    if not isinstance(norm, torch.nn.BatchNorm2d):
        raise BadInput(f"{layer}: is no batch normalisation of this network")
    return norm.eps


def _verify(bundle: Bundle, graph: BundleGraph) -> None:
    manifest = bundle.manifest
    found = run_graph(graph, bundle.golden.crops)
    expected: dict[str, F32] = {
        name: getattr(bundle.golden.outputs, name) for name in OUTPUT_SHAPES
    }
    for name, allowed in manifest.golden["fp32"].tolerance.items():
        worst = golden_difference(
            name,
            found,
            expected,
            manifest.marker_transform,
            manifest.calibration.reject_threshold,
        )
        if not worst <= allowed:
            raise BadBundle(
                f"{bundle.path}: rebuilt from {NORMALISATION_FILE}, {name} differs by {worst:.2e} on the golden "
                f"crops, allowed {allowed:.2e}"
            )


def _card(manifest: Manifest, graph: BundleGraph) -> Card:
    return Card(
        name=manifest.name,
        version=manifest.version,
        synthetic=manifest.synthetic,
        description=manifest.description,
        marker_unit=manifest.marker_unit,
        marker_transform=manifest.marker_transform,
        calibration=manifest.calibration,
        metrics=manifest.metrics,
        data_sha256=manifest.data_sha256,
        licence=manifest.licence,
        reduction_kernel=manifest.reduction_kernel,
        settings=dict(manifest.training),
        network=graph.phenotyper.network.options,
        preprocess=graph.preprocess,
        training_population=manifest.training_population,
    )
