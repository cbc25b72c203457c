"""OpenVINO: neither padding, nor cutting, nor what runs beside it shows in a cell's outputs."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.engine.backends.onnxruntime import OnnxRuntimeBackend
from phenostream.engine.backends.openvino import compiling
from phenostream.engine.backends.openvino.backend import OpenVinoBackend
from phenostream.engine.backends.openvino.library import import_openvino
from phenostream.engine.backends.openvino.stream import Stream
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.registry import Factory, open_backend
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import BadConfig, EngineFault
from phenostream.engine.types import OUTPUT_SHAPES, Crops, Outputs

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


def crops(bundle: Bundle, count: int) -> Crops:
    """Golden crops, over and over."""
    golden = bundle.golden.crops
    rows = np.arange(count) % len(golden)
    return Crops(golden.images[rows], golden.background[rows])


def equal(one: Outputs, other: Outputs) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in OUTPUT_SHAPES)


def test_a_cell_has_the_same_bits_in_any_batch_on_any_streams(bundle: Bundle) -> None:
    backends = [open_backend(bundle, "openvino", streams=n, max_batch=100) for n in (1, 2)]
    many = crops(bundle, 80)
    whole = backends[0].infer(many.images, many.background)
    for backend in backends:
        for count in (1, 2, 5, 16, 33, 80):
            part = backend.infer(many.images[:count], many.background[:count])
            assert equal(part, whole.take(slice(count))), (backend.streams, count)
        backend.close()


def test_callers_that_want_all_streams_wait_for_each_other(bundle: Bundle) -> None:
    backend = open_backend(bundle, "openvino", streams=2, max_batch=32)
    some = crops(bundle, 32)
    expected = backend.infer(some.images, some.background)
    right: list[bool] = []

    def call() -> None:
        right.extend(equal(backend.infer(some.images, some.background), expected) for _ in range(3))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    backend.close()
    assert right == [True] * 12


@pytest.mark.parametrize("method", ["start", "finish"])
def test_a_fault_of_one_piece_is_the_calls_fault_and_the_next_call_works(
    bundle: Bundle, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = OpenVinoBackend(bundle, BackendOptions(2, 2, 16, "fp32"))
    some = crops(bundle, 16)
    expected = backend.infer(some.images, some.background)
    true = getattr(Stream, method)
    faults = ["gone"]

    def breaks(stream: Stream, *args: Any) -> None:
        if method == "finish":
            true(stream, *args)
        if faults:
            raise RuntimeError(faults.pop())
        if method == "start":
            true(stream, *args)

    monkeypatch.setattr(Stream, method, breaks)
    with pytest.raises(EngineFault, match="openvino: gone"):
        backend.infer(some.images, some.background)
    assert equal(backend.infer(some.images, some.background), expected)
    backend.close()


def test_bf16_keeps_the_division_by_the_background_in_float32(bundle: Bundle) -> None:
    backend = open_backend(bundle, "openvino", streams=1, precision="bf16", max_batch=32)
    golden = bundle.golden
    found = backend.infer(golden.crops.images[:32], golden.crops.background[:32])
    backend.close()
    assert np.abs(found.class_logits - golden.outputs.class_logits[:32]).max() < 0.03


def test_rewritten_or_not_float32_says_the_same(bundle: Bundle) -> None:
    openvino = import_openvino()
    core = openvino.Core()
    content, settings = bundle.files["model.onnx"], {"INFERENCE_PRECISION_HINT": "f32"}
    plain = core.compile_model(core.read_model(content), "CPU", settings)
    ours = core.compile_model(
        compiling.read_model(openvino, core, content, "fp32"), "CPU", settings
    )
    feeds = {"images": bundle.golden.crops.images, "background": bundle.golden.crops.background}
    expected, found = plain(feeds), ours(feeds)
    for name in ("class_logits", "marker_z", "feature", "class_probability"):
        np.testing.assert_allclose(found[name], expected[name], atol=2e-5, err_msg=name)


def test_a_precision_that_the_bundle_has_no_file_for_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BadConfig, match="'fp16' is not available, allowed fp32, bf16"):
        OpenVinoBackend(bundle, BackendOptions(1, 1, 1, "fp16"))


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_int8_is_the_bundles_own_graph(bundle: Bundle, backend: str) -> None:
    rows: dict[str, Factory] = {"openvino": OpenVinoBackend, "onnxruntime": OnnxRuntimeBackend}
    plain = replace(bundle, files={k: v for k, v in bundle.files.items() if k != "model.int8.onnx"})
    options = BackendOptions(1, 1, 4, "int8")
    with pytest.raises(BadConfig, match="'int8' is not available"):
        rows[backend](plain, options)
    given = replace(plain, files={**plain.files, "model.int8.onnx": b"not a graph"})
    with pytest.raises(EngineFault, match=f"{backend}: cannot load the model"):
        rows[backend](given, options)
    given = replace(plain, files={**plain.files, "model.int8.onnx": bundle.files["model.onnx"]})
    opened = rows[backend](given, options)
    found = opened.infer(bundle.golden.crops.images[:4], bundle.golden.crops.background[:4])
    opened.close()
    assert opened.precision == "int8"
    np.testing.assert_allclose(found.marker_z, bundle.golden.outputs.marker_z[:4], atol=0.05)


def test_int8_says_the_same_in_two_streams_as_in_one(bundle: Bundle) -> None:
    crops = bundle.golden.crops
    alone = OpenVinoBackend(bundle, BackendOptions(1, 1, 32, "int8"))
    expected = alone.infer(crops.images, crops.background)
    alone.close()
    for _ in range(
        6
    ):  # with a rewrite that the plugin mistakes, two compilations of three were wrong
        pair = OpenVinoBackend(bundle, BackendOptions(2, 2, 32, "int8"))
        found = pair.infer(crops.images, crops.background)
        pair.close()
        np.testing.assert_array_equal(found.class_logits, expected.class_logits)
        np.testing.assert_array_equal(found.marker_z, expected.marker_z)
