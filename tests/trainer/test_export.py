"""The exported graph says what torch says, on every CPU runtime, and the bundle around it loads."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(180)]

from phenostream.engine.backends.registry import open_backend  # noqa: E402
from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.manifest import (  # noqa: E402
    Calibration,
    ClassSets,
    MarkerTransform,
    Metric,
    Prior,
)
from phenostream.engine.types import F32, OUTPUT_SHAPES, Crops  # noqa: E402
from phenostream.trainer.checkpoint import (  # noqa: E402
    Card,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from phenostream.trainer.export import export_model, run_graph, write_bundle  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph, Preprocess  # noqa: E402
from phenostream.trainer.onnx_graph import fold_batchnorm  # noqa: E402
from tests.trainer.toy_population import FACTS, toy_population  # noqa: E402

BIAS = (-0.2, 0.5, -0.3)
SCALE = ((1.0, 1.5, 2.0, 0.5), (0.5, 1.0, 1.5, 2.0), (2.0, 0.5, 1.0, 1.5))


def random_graph() -> BundleGraph:
    """Random weights with batch statistics off their initial values, and some calibration."""
    torch.manual_seed(0)
    graph = BundleGraph()
    for module in graph.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    with torch.no_grad():
        graph.temperature.fill_(1.7)
        graph.marker_sd.fill_(0.5)
        graph.class_bias.copy_(torch.tensor(BIAS))
        graph.interval_scale.copy_(torch.tensor(SCALE))
        graph.ood_centre.normal_()
    return graph.eval()


def crops(count: int) -> Crops:
    rng = np.random.default_rng(0)
    background = rng.uniform(0.3, 0.5, (count, 4)).astype(np.float32)
    texture = 1 + 0.2 * rng.standard_normal((count, 4, 28, 28))
    return Crops((background[:, :, None, None] * texture).astype(np.float32), background)


def log_sd(graph: BundleGraph, some: Crops) -> F32:
    """What the network expects its estimates to be wrong by; it differs from crop to crop."""
    with torch.inference_mode():
        raw = graph.raw(torch.from_numpy(some.images), torch.from_numpy(some.background))
    found: F32 = raw.marker_log_sd.numpy()
    assert found.std(axis=0).min() > 1e-3
    return found


def _covered(marker: str, value: float, low: float, high: float) -> Metric:
    name = f"interval coverage {marker}"
    return Metric(name=name, value=value, low=low, high=high, n=9, data="random cells")


def checkpoint() -> Checkpoint:
    card = Card(
        name="random",
        version="0",
        synthetic=True,
        description="random weights",
        marker_unit="a.u.",
        marker_transform=MarkerTransform(scale="log10", mean=(0, 0, 0, 0), sd=(0.5, 0.5, 0.5, 0.5)),
        calibration=Calibration(
            status="calibrated",
            temperature=1.7,
            class_bias=BIAS,
            prior=Prior(shares=(0.2, 0.5, 0.3), stated=False),
            interval_scale=SCALE,
            class_sets=ClassSets(coverage=0.9, threshold=(0.2, 0.3, 0.1)),
            interval_half_width_z=(1.0, 1.5, 2.0, 0.5),
            ood_threshold=9,
            reject_threshold=0.5,
        ),
        metrics=(
            _covered("CD45", 0.85, 0.84, 0.86),
            _covered("CD16", 0.91, 0.89, 0.92),
            _covered("CD45", 0.93, 0.92, 0.94).model_copy(update={"name": "ECE"}),
        ),
        data_sha256="0" * 64,
        training_population=FACTS,
    )
    return Checkpoint(random_graph(), card, crops(8), population=toy_population())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("export")
    saved = save_checkpoint(checkpoint(), root / "checkpoint")
    return saved, export_model(saved, root / "bundle")


@pytest.fixture(scope="module")
def bundle(folders: tuple[Path, Path]) -> Bundle:
    return load_bundle(folders[1])


def test_the_bundle_tells_the_population_that_the_checkpoint_keeps(bundle: Bundle) -> None:
    assert bundle.manifest.training_population == FACTS
    assert bundle.files["population.npz"] == toy_population()
    assert bundle.population is not None
    assert bundle.population.sums.frames == 5


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_float32_runtimes_agree_with_torch_to_1e_4(bundle: Bundle, name: str) -> None:
    backend = open_backend(bundle, name, precision="fp32", streams=1)
    fresh = crops(5)
    expected = run_graph(random_graph(), fresh)
    found = backend.infer(fresh.images, fresh.background)
    for column in OUTPUT_SHAPES:
        np.testing.assert_allclose(getattr(found, column), expected[column], rtol=1e-4, atol=1e-4)


def test_the_float16_file_is_half_as_large_and_within_5e_3(bundle: Bundle) -> None:
    backend = open_backend(bundle, "onnxruntime", precision="fp16", streams=1)
    found = backend.infer(bundle.golden.crops.images, bundle.golden.crops.background)
    for column in ("class_logits", "marker_z"):
        gap = np.abs(getattr(found, column) - getattr(bundle.golden.outputs, column)).max()
        assert gap <= 5e-3
    sizes = {name: len(content) for name, content in bundle.files.items()}
    assert sizes["model.fp16.onnx"] < 0.6 * sizes["model.onnx"]
    assert sum(sizes.values()) < 15 << 20


@pytest.mark.parametrize("file", ["model.onnx", "model.fp16.onnx"])
def test_a_graph_has_float32_edges_and_nothing_of_the_machine_that_made_it(
    bundle: Bundle, file: str
) -> None:
    content = bundle.files[file]
    model = onnx.load_from_string(content)
    assert [value.name for value in model.graph.input] == ["images", "background"]
    assert [value.name for value in model.graph.output] == list(OUTPUT_SHAPES)
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert value.type.tensor_type.shape.dim[0].dim_param
    assert b".py" not in content
    assert str(Path.cwd()).encode() not in content
    assert not [node for node in model.graph.node if node.op_type == "BatchNormalization"]


def test_folding_the_batch_normalisation_changes_nothing() -> None:
    graph, some = random_graph(), crops(4)
    before, after = run_graph(graph, some), run_graph(fold_batchnorm(graph), some)
    for name in OUTPUT_SHAPES:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-4, atol=1e-5)


def test_calibration_is_inside_the_graph() -> None:
    graph, some = random_graph(), crops(4)
    out = run_graph(graph, some)
    scaled = np.exp(out["class_logits"] / 1.7 + np.array(BIAS))
    probability = scaled / scaled.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(out["class_probability"], probability, rtol=1e-4)
    np.testing.assert_allclose(out["marker_estimate"], 10 ** (0.5 * out["marker_z"]), rtol=1e-4)
    width = (probability @ np.array(SCALE)) * np.exp(log_sd(graph, some))
    for side, sign in ((0, -1), (1, 1)):
        expected = 10 ** (0.5 * (out["marker_z"] + sign * width))
        np.testing.assert_allclose(out["marker_interval"][:, :, side], expected, rtol=1e-4)


def test_a_linear_scale_gives_estimates_in_proportion_to_z() -> None:
    graph = BundleGraph(marker_scale="linear").eval()
    graph.marker_mean.fill_(3.0)
    graph.marker_sd.fill_(0.5)
    some = crops(4)
    out, width = run_graph(graph, some), np.exp(log_sd(graph, some))
    np.testing.assert_allclose(out["marker_estimate"], 0.5 * out["marker_z"] + 3, rtol=1e-5)
    for side, sign in ((0, -1), (1, 1)):
        expected = 0.5 * (out["marker_z"] + sign * width) + 3
        np.testing.assert_allclose(out["marker_interval"][:, :, side], expected, rtol=1e-5)


def test_preprocessing_is_inside_the_graph() -> None:
    some = crops(2)
    images, background = torch.from_numpy(some.images), torch.from_numpy(some.background)
    ratio = some.images / some.background[:, :, None, None] - 1
    np.testing.assert_allclose(Preprocess()(images, background).numpy(), ratio, atol=1e-6)
    affine = Preprocess("affine", 2.0, -1.0)(images, background)
    np.testing.assert_allclose(affine.numpy(), 2 * some.images - 1, atol=1e-6)


def test_a_checkpoint_comes_back_as_it_was_saved(folders: tuple[Path, Path]) -> None:
    loaded = load_checkpoint(folders[0])
    assert loaded.card == checkpoint().card
    for name, value in random_graph().state_dict().items():
        assert torch.equal(value, loaded.graph.state_dict()[name])


@pytest.mark.parametrize("name", ["card.json", "model.safetensors", "golden_inputs.npz"])
def test_an_incomplete_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    saved = save_checkpoint(checkpoint(), tmp_path / "checkpoint")
    (saved / name).write_bytes(b"{}")
    with pytest.raises(BadInput, match="not a trained checkpoint"):
        load_checkpoint(saved)


def test_the_description_says_what_the_intervals_really_cover(bundle: Bundle) -> None:
    assert bundle.manifest.description == (
        "random weights Marker intervals are nominally 90% and were measured to cover 0.850 to 0.910; "
        "less than they promise: CD45 0.850 [0.840, 0.860] (random cells)."
    )


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(BadInput, match="not a bundle; choose another folder"):
        write_bundle(checkpoint(), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"
