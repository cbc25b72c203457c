"""A bundle tells what was folded into it, and the network with live normalisations comes back from that."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(180)]

from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from phenostream.engine.errors import BadBundle, BadInput  # noqa: E402
from phenostream.trainer.adaptation.reference import (  # noqa: E402
    NormReference,
    measure_reference,
    reference_bytes,
    reference_of,
)
from phenostream.trainer.adaptation.statistics import kept_statistics  # noqa: E402
from phenostream.trainer.checkpoint import (  # noqa: E402
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from phenostream.trainer.export import write_bundle  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from phenostream.trainer.network.network_options import NetworkOptions  # noqa: E402
from phenostream.trainer.unfold import unfold  # noqa: E402
from tests.trainer.adaptation.toy_cells import toy_cells  # noqa: E402
from tests.trainer.test_export import checkpoint  # noqa: E402


def adaptable() -> Checkpoint:
    plain = checkpoint()
    with torch.no_grad():  # a channel that its normalisation silences: nothing can be divided by it
        plain.graph.get_parameter("phenotyper.network.cnn.stem.1.weight")[3] = 0.0
    return replace(plain, reference=measure_reference(plain.graph, toy_cells(60)))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_bundle(adaptable(), tmp_path_factory.mktemp("unfold") / "bundle"))


def test_the_rebuilt_network_has_the_statistics_and_says_the_same(bundle: Bundle) -> None:
    original, rebuilt = adaptable(), unfold(bundle)
    images = torch.from_numpy(toy_cells(20).images)
    background = torch.from_numpy(toy_cells(20).background)
    with torch.inference_mode():
        for one, other in zip(
            original.graph(images, background), rebuilt.graph(images, background), strict=True
        ):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
    kept = kept_statistics(rebuilt.graph.phenotyper)
    for name, moments in kept_statistics(original.graph.phenotyper).items():
        assert torch.equal(kept[name].mean, moments.mean)
        assert torch.equal(kept[name].variance, moments.variance)


def test_what_is_rebuilt_keeps_all_else_that_the_bundle_says(bundle: Bundle) -> None:
    again, manifest = unfold(bundle), bundle.manifest
    assert again.card.calibration == manifest.calibration
    assert again.card.training_population == manifest.training_population
    assert again.population == bundle.files["population.npz"]
    assert again.card.metrics == manifest.metrics
    assert again.golden.images.tobytes() == bundle.golden.crops.images.tobytes()


def test_the_reference_comes_back_from_checkpoint_and_bundle(
    bundle: Bundle, tmp_path: Path
) -> None:
    kept = adaptable()
    assert kept.reference is not None
    saved = load_checkpoint(save_checkpoint(kept, tmp_path / "checkpoint")).reference
    for found in (saved, unfold(bundle).reference):
        assert found is not None
        assert found.cells == kept.reference.cells == (10, 10, 10, 30)
        same(found, kept.reference)


def test_a_bundle_that_says_nothing_of_it_is_refused_in_one_line(bundle: Bundle) -> None:
    silent = bundle.manifest.model_copy(update={"normalisation": None})
    with pytest.raises(BadBundle, match=r"has no normalisation\.npz") as found:
        unfold(replace(bundle, manifest=silent))
    assert "\n" not in str(found.value)


def test_statistics_of_another_network_are_refused(bundle: Bundle) -> None:
    swapped = bundle.manifest.normalisation
    assert swapped is not None
    facts = swapped.model_copy(update={"network": {"inputs": "dpc"}})
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"normalisation": facts}))
    with pytest.raises(BadBundle, match="does not fit"):
        unfold(other)


def test_a_graph_of_other_weights_is_refused(bundle: Bundle) -> None:
    model = onnx.load_model_from_string(bundle.files["model.onnx"])
    for weight in model.graph.initializer:
        if weight.name.endswith("cnn.stem.0.weight"):
            weight.raw_data = (onnx.numpy_helper.to_array(weight) * np.float32(1.1)).tobytes()
    mixed = {**bundle.files, "model.onnx": model.SerializeToString()}
    with pytest.raises(BadBundle, match=r"rebuilt from normalisation\.npz, \w+ differs by"):
        unfold(replace(bundle, files=mixed))


@pytest.mark.parametrize(
    "damaged", [b"", b"PK", reference_bytes(NormReference((1, 1, 1, 0), ({}, {}, {})))]
)
def test_a_damaged_reference_is_refused(damaged: bytes) -> None:
    with pytest.raises(BadInput):
        reference_of(damaged)


def test_a_network_that_keeps_no_statistics_has_no_reference() -> None:
    graph = BundleGraph(options=NetworkOptions(norm="group"))
    assert measure_reference(graph, toy_cells(60)) is None


def test_a_class_with_few_cells_has_no_reference() -> None:
    assert measure_reference(BundleGraph(), toy_cells(12)) is None


def same(found: NormReference, kept: NormReference) -> None:
    assert found.kinds[0].keys() == kept.kinds[0].keys()
    for one, other in zip(found.kinds, kept.kinds, strict=True):
        for name, moments in other.items():
            torch.testing.assert_close(one[name].mean, moments.mean, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(one[name].variance, moments.variance, rtol=1e-6, atol=1e-6)
