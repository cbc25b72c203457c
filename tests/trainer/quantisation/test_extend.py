"""A bundle gains an int8 graph that runtimes take, only if it is as good on other cells; the rest stays as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(180)]

from phenostream.deploy.cli import main  # noqa: E402
from phenostream.engine.backends.checked import self_test  # noqa: E402
from phenostream.engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from phenostream.engine.backends.options import BackendOptions  # noqa: E402
from phenostream.engine.backends.registry import open_backend  # noqa: E402
from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from phenostream.engine.errors import BadInput, EngineFault  # noqa: E402
from phenostream.engine.manifest import JudgedInt8  # noqa: E402
from phenostream.engine.types import F32, OUTPUT_SHAPES  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet, save_cells  # noqa: E402
from phenostream.trainer.data.packed import save_packed  # noqa: E402
from phenostream.trainer.quantisation.bias import _move_bias, with_means_kept  # noqa: E402
from phenostream.trainer.quantisation.cells import QuantisationCells, quantisation_cells  # noqa: E402
from phenostream.trainer.quantisation.extend import add_int8, quantise  # noqa: E402
from phenostream.trainer.quantisation.gate import refuse  # noqa: E402
from phenostream.trainer.quantisation.placement import Placement, place  # noqa: E402
from phenostream.trainer.quantisation.qdq import quantised, scales  # noqa: E402
from phenostream.trainer.quantisation.ranges import (  # noqa: E402
    Range,
    measure_ranges,
    values_on,
)
from phenostream.trainer.quantisation.runtimes import RuntimeName, answers  # noqa: E402
from tests.trainer.data.toy_packed import toy_packed  # noqa: E402

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


def cells_like_golden(bundle: Bundle, count: int, seed: int = 0) -> CellSet:
    """White golden crops again and again, each a little brighter or darker, with the levels the model gives them."""
    rng = np.random.default_rng(seed)
    golden = bundle.golden
    white = np.flatnonzero(golden.outputs.reject_probability < 0.1)
    rows = rng.choice(white, count)
    light = rng.uniform(0.97, 1.03, (count, 1, 1, 1)).astype(np.float32)
    levels = golden.outputs.marker_z[rows] + 0.1 * rng.standard_normal((count, 4))
    return CellSet.with_labels(
        golden.crops.images[rows] * light,
        golden.crops.background[rows],
        golden.outputs.class_probability[rows].argmax(axis=1).astype(np.int32),
        levels.astype(np.float32),
        np.ones((count, 4), np.bool_),
        rng.integers(0, 20, count).astype(np.int32),
    )


@pytest.fixture(scope="module")
def cells(bundle: Bundle) -> QuantisationCells:
    return QuantisationCells(
        cells_like_golden(bundle, 100, 1), cells_like_golden(bundle, 200, 2), "some", "others", None
    )


@pytest.fixture(scope="module")
def extended(
    bundle: Bundle, cells: QuantisationCells, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """The demo bundle with an int8 graph made here; the gate is left out, since these few cells are no others."""
    out = tmp_path_factory.mktemp("int8") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("phenostream.trainer.quantisation.extend.refuse", lambda figures: None)
        add_int8(bundle, cells, out)
    return load_bundle(out)


def test_everything_else_is_kept_byte_for_byte(bundle: Bundle, extended: Bundle) -> None:
    kept = set(bundle.files) - {"model.int8.onnx", "golden.int8.npz"}
    assert all(extended.files[name] == bundle.files[name] for name in kept)
    assert extended.manifest.metrics == bundle.manifest.metrics
    assert extended.golden_int8 is not None


def test_the_manifest_tells_what_int8_was_judged_on(extended: Bundle) -> None:
    facts = extended.manifest.int8
    assert facts is not None
    assert (facts.calibrated_on, facts.judged_on, facts.synthetic) == ("some", "others", None)
    assert (facts.calibration_cells, facts.judged_cells, facts.judged_white) == (100, 200, 200)
    assert [one.runtime.split()[0] for one in facts.judged] == ["onnxruntime", "openvino"]
    assert extended.manifest.golden["int8"].tolerance["class_logits"] > 0


def test_the_graph_is_symmetric_and_has_no_rounded_bias(extended: Bundle) -> None:
    graph = onnx.load_model_from_string(extended.files["model.int8.onnx"]).graph
    fixed = {one.name: one for one in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(pairs) > 60
    for node in pairs:
        zero = onnx.numpy_helper.to_array(fixed[node.input[2]])
        assert zero.dtype == np.int8
        assert not zero.any()
    rounded = {out for node in pairs for out in node.output}
    biases = [n.input[2] for n in graph.node if n.op_type in ("Conv", "Gemm") and len(n.input) > 2]
    assert biases
    assert not rounded & set(biases)


def test_what_is_sensitive_stays_float(bundle: Bundle) -> None:
    model = onnx.load_model_from_string(bundle.files["model.onnx"])
    placement = place(model)
    nodes = {node.name: node for node in model.graph.node}
    assert {nodes[name].op_type for name in placement.nodes} == {"Conv", "MatMul"}
    assert len(placement.nodes) == 19
    stem = next(
        node for node in model.graph.node if node.op_type == "Conv" and "stem" in node.input[1]
    )
    assert stem.name not in placement.nodes
    heads = {node.output[0] for node in model.graph.node if node.op_type in ("Gemm", "Softmax")}
    assert not heads & set(placement.values)


def test_concatenated_values_share_a_scale_and_a_gelu_needs_nothing_far_below() -> None:
    placement = Placement((), ("a", "b", "c"), frozenset({"c"}), (("a", "b"),))
    found = scales(placement, {"a": Range(-1, 2), "b": Range(-6, 1), "c": Range(-90, 12)})
    assert found == pytest.approx({"a": 6 / 127, "b": 6 / 127, "c": 12 / 127})


def test_rounding_does_not_shift_the_mean_of_a_plane(
    bundle: Bundle, cells: QuantisationCells
) -> None:
    content, some = bundle.files["model.onnx"], cells.calibrate.select(np.arange(64))
    placement = place(onnx.load_model_from_string(content))
    shifted = quantised(content, placement, measure_ranges(content, placement.values, some))
    kept = with_means_kept(content, shifted, placement, some)
    nodes = onnx.load_model_from_string(content).graph.node
    made = [n.output[0] for n in nodes if n.op_type == "Conv" and n.name in placement.nodes]
    assert len(made) == 11

    def means(graph: bytes) -> list[F32]:
        batches = [[one.mean(axis=(2, 3)) for one in few] for few in values_on(graph, made, some)]
        return [np.concatenate(parts).mean(axis=0) for parts in zip(*batches, strict=True)]

    for before, rounded, mended in zip(means(content), means(shifted), means(kept), strict=True):
        assert np.abs(mended - before).mean() < 0.2 * np.abs(rounded - before).mean()
    assert len(onnx.load_model_from_string(kept).graph.initializer) == len(
        onnx.load_model_from_string(shifted).graph.initializer
    )


def test_a_bias_that_two_convolutions_read_is_moved_for_the_one_alone() -> None:
    nodes = [onnx.helper.make_node("Conv", ["x", "w", "b"], [name], name) for name in "pq"]
    bias = onnx.numpy_helper.from_array(np.ones(2, np.float32), "b")
    graph = onnx.helper.make_graph(nodes, "two", [], [], [bias])
    _move_bias(graph, graph.node[0], np.array([1.0, -1.0]))
    fixed = {one.name: onnx.numpy_helper.to_array(one).tolist() for one in graph.initializer}
    assert [fixed[node.input[2]] for node in graph.node] == [[2.0, 0.0], [1.0, 1.0]]
    _move_bias(graph, graph.node[1], np.array([0.5, 0.5]))
    assert [one.name for one in graph.initializer] == ["p_kept_mean", "q_kept_mean"]


def test_a_few_bright_cells_set_no_scale(bundle: Bundle, cells: QuantisationCells) -> None:
    content = bundle.files["model.onnx"]
    some = cells.calibrate.select(np.arange(100))
    value = place(onnx.load_model_from_string(content)).values[0]
    plain = measure_ranges(content, [value], some)[value]
    images = some.images.copy()
    images[0] *= np.linspace(0.05, 8, images[0].size, dtype=np.float32).reshape(images[0].shape)
    glaring = measure_ranges(content, [value], replace(some, images=images))[value]
    assert glaring.high == pytest.approx(plain.high, rel=0.1)
    alone = measure_ranges(content, [value], replace(some, images=images).select(np.arange(1)))
    assert alone[value].high > 1.5 * plain.high


def test_weights_have_one_scale_for_each_output(bundle: Bundle, cells: QuantisationCells) -> None:
    content = bundle.files["model.onnx"]
    before = onnx.load_model_from_string(content)
    after = onnx.load_model_from_string(quantise(content, cells.calibrate))
    float_weights = {i.name: onnx.numpy_helper.to_array(i) for i in before.graph.initializer}
    fixed = {i.name: onnx.numpy_helper.to_array(i) for i in after.graph.initializer}
    checked = 0
    for node in after.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in fixed:
            whole, step = fixed[node.input[0]], fixed[node.input[1]]
            axis = next(one.i for one in node.attribute if one.name == "axis")
            shape = [-1 if place == axis else 1 for place in range(whole.ndim)]
            given: F32 = whole * step.reshape(shape)
            meant = float_weights[node.input[0].removesuffix("_int8")]
            assert np.abs(given - meant).max() <= step.max() / 2 * 1.001
            assert len(step) == whole.shape[axis]
            checked += 1
    assert checked > 30


@pytest.mark.parametrize("file", ["model.fp16.onnx", "model.int8.onnx"])
def test_tensorrt_rtx_parses_and_builds_the_graph(extended: Bundle, file: str) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    log = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    assert parser.parse(extended.files[file]), [
        str(parser.get_error(place)) for place in range(parser.num_errors)
    ]
    profile = builder.create_optimization_profile()
    profile.set_shape("images", (1, 4, 28, 28), (32, 4, 28, 28), (64, 4, 28, 28))
    profile.set_shape("background", (1, 4), (32, 4), (64, 4))
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None


def test_a_runtime_that_reads_a_scale_wrongly_is_found(
    extended: Bundle, bundle: Bundle, cells: QuantisationCells
) -> None:
    content = bundle.files["model.onnx"]
    placement = place(onnx.load_model_from_string(content))
    ranges = measure_ranges(content, placement.values, cells.calibrate)
    widest = {**ranges, placement.values[0]: Range(0.0, ranges[placement.values[0]].high / 3)}
    wrong = {**extended.files, "model.onnx": quantised(content, placement, widest)}
    misread = OnnxRuntimeBackend(replace(extended, files=wrong), BackendOptions(1, 1, 64, "fp32"))
    misread.precision = "int8"
    with pytest.raises(BadInput, match=r"golden .* differs by .* on onnxruntime int8"):
        self_test(misread, extended)


def test_a_graph_that_lost_too_much_is_refused_in_one_line() -> None:
    figures = JudgedInt8(
        runtime="openvino bf16",
        class_agreement=0.993,
        rejection_agreement=1.0,
        flag_agreement=1.0,
        marker_r_loss=(0.0, 0.0061, None, -0.1),
    )
    with pytest.raises(EngineFault) as caught:
        refuse(figures)
    assert str(caught.value) == (
        "int8 is not written: on openvino bf16 it keeps the class of 99.30% of the cells, allowed 99.5% or more; "
        "it loses 0.0061 of the r of CD3/CD19/CD56, allowed at most 0.005"
    )


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_what_is_judged_is_what_serves(bundle: Bundle, name: RuntimeName) -> None:
    crops = bundle.golden.crops
    said, judged = answers(name, bundle, bundle.files["model.int8.onnx"], crops)
    backend = open_backend(bundle, name, precision="int8", streams=1, max_batch=64)
    serves = backend.infer(crops.images, crops.background)
    backend.close()
    assert said.removeprefix(f"{name} ") in ("fp32", "bf16")
    for output in OUTPUT_SHAPES:
        np.testing.assert_array_equal(getattr(judged, output), getattr(serves, output))


def test_a_failed_gate_writes_nothing(
    bundle: Bundle, cells: QuantisationCells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crushed(content: bytes, some: CellSet) -> bytes:
        placement = place(onnx.load_model_from_string(content))
        return quantised(content, placement, dict.fromkeys(placement.values, Range(-0.1, 0.1)))

    monkeypatch.setattr("phenostream.trainer.quantisation.extend.quantise", crushed)
    with pytest.raises(EngineFault, match=r"^int8 is not written: on onnxruntime fp32 it "):
        add_int8(bundle, cells, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_cells_of_a_file_are_parted_by_field(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    save_cells(cells_like_golden(bundle, 900), path)
    parted = quantisation_cells(str(path), 600, tmp_path)
    assert not set(parted.calibrate.group) & set(parted.judge.group)
    assert parted.synthetic is None
    assert len(parted.calibrate) + len(parted.judge) == 900
    save_cells(cells_like_golden(bundle, 220), path)
    with pytest.raises(BadInput, match=r"cells to .* int8 on: .* allowed"):
        quantisation_cells(str(path), 600, tmp_path)
    path.write_text("no array file")
    with pytest.raises(BadInput, match="neither a file of cells nor of packed cells"):
        quantisation_cells(str(path), 600, tmp_path)


def test_packed_cells_say_themselves_that_they_are_synthetic(tmp_path: Path) -> None:
    path = tmp_path / "packed.npz"
    save_packed(toy_packed((300, 500, 200, 100)), path)
    parted = quantisation_cells(str(path), 600, tmp_path)
    assert parted.synthetic is True
    assert parted.calibrated_on == "synthetic toy, a fifth of its fields"
    assert parted.judged_on == "synthetic toy, its other fields"
    assert not set(parted.calibrate.group) & set(parted.judge.group)


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("demo", [], "--int8: needed where SOURCE is a bundle, as "),
        ("demo", ["--int8=simulated", "--prior=0.3,0.6,0.1"], "--prior: not allowed where SOURCE"),
        (
            "/nowhere",
            ["--int8=simulated", "--crops=50"],
            "--crops 50: out of range, allowed 600 to ",
        ),
        ("demo", ["--int8=/nowhere/cells.npz"], "/nowhere/cells.npz: neither a file of cells nor"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_writes_nothing(
    source: str,
    options: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main(["export-model", source, str(out), *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"phenostream export-model: {says}")
    assert said.count("\n") == 1
    assert not out.exists()
