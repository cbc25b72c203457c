"""The torch module says what ONNX Runtime says of the same file, and refuses what it does not understand."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = pytest.mark.trainer

from onnx import helper  # noqa: E402

from phenostream.engine.backends.torch.graph import read_graph  # noqa: E402
from phenostream.engine.bundle import load_bundle  # noqa: E402
from phenostream.engine.errors import EngineFault, MissingPackage  # noqa: E402
from phenostream.engine.types import OUTPUT_SHAPES  # noqa: E402
from tests.engine.backends.torch_graphs import by_onnxruntime, onnx_file  # noqa: E402

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"
RANDOM = np.random.default_rng(5)


def draw(*shape: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    return RANDOM.normal(size=shape).astype(np.float32)


def ints(*values: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.array(values, np.int64)


CASES: dict[str, tuple[Any, tuple[int, ...], dict[str, Any]]] = {
    "cast": (helper.make_node("Cast", ["x"], ["out"], to=10), (3, 4), {}),
    "clip below": (helper.make_node("Clip", ["x", "a"], ["out"]), (3, 4), {"a": np.float32(0.1)}),
    "clip above": (helper.make_node("Clip", ["x", "", "a"], ["out"]), (9,), {"a": np.float32(0)}),
    "concat": (helper.make_node("Concat", ["x", "a"], ["out"], axis=1), (2, 3), {"a": draw(2, 5)}),
    "conv1d": (
        helper.make_node(
            "Conv", ["x", "a"], ["out"], pads=[2, 2], dilations=[2], strides=[1], group=1
        ),
        (2, 1, 9),
        {"a": draw(1, 1, 3)},
    ),
    "conv2d": (
        helper.make_node(
            "Conv",
            ["x", "a", "b"],
            ["out"],
            pads=[1, 1, 1, 1],
            strides=[2, 2],
            dilations=[1, 1],
            group=2,
        ),
        (2, 4, 8, 8),
        {"a": draw(6, 2, 3, 3), "b": draw(6)},
    ),
    "div": (helper.make_node("Div", ["x", "a"], ["out"]), (3, 4), {"a": np.float32(0.7)}),
    "expand": (helper.make_node("Expand", ["x", "a"], ["out"]), (1, 3), {"a": ints(4, 2, 1)}),
    "gather": (
        helper.make_node("Gather", ["x", "a"], ["out"], axis=1),
        (2, 3, 4),
        {"a": np.array(2, np.int64)},
    ),
    "gelu": (helper.make_node("Gelu", ["x"], ["out"], approximate="none"), (50,), {}),
    "gelu tanh": (helper.make_node("Gelu", ["x"], ["out"], approximate="tanh"), (50,), {}),
    "gemm linear": (
        helper.make_node("Gemm", ["x", "a", "b"], ["out"], alpha=1.0, beta=1.0, transA=0, transB=1),
        (3, 4),
        {"a": draw(5, 4), "b": draw(5)},
    ),
    "gemm general": (
        helper.make_node("Gemm", ["x", "a", "b"], ["out"], alpha=0.5, beta=2.0, transA=1, transB=0),
        (4, 3),
        {"a": draw(4, 5), "b": draw(5)},
    ),
    "layer norm": (
        helper.make_node("LayerNormalization", ["x", "a", "b"], ["out"], axis=-1, epsilon=1e-5),
        (3, 7),
        {"a": draw(7), "b": draw(7)},
    ),
    "matmul": (helper.make_node("MatMul", ["x", "a"], ["out"]), (2, 3, 4), {"a": draw(4, 5)}),
    "mean": (
        helper.make_node("ReduceMean", ["x", "a"], ["out"], keepdims=0),
        (2, 3, 4, 5),
        {"a": ints(2, 3)},
    ),
    "min": (helper.make_node("ReduceMin", ["x", "a"], ["out"], keepdims=1), (2, 3), {"a": ints(1)}),
    "pow": (helper.make_node("Pow", ["x", "a"], ["out"]), (3, 4), {"a": np.float32(2)}),
    "reshape": (
        helper.make_node("Reshape", ["x", "a"], ["out"], allowzero=1),
        (2, 3, 4),
        {"a": ints(-1, 6)},
    ),
    "slice": (
        helper.make_node("Slice", ["x", "a", "b", "c", "d"], ["out"]),
        (5, 6, 7),
        {"a": ints(1, 0), "b": ints(4, 2**62), "c": ints(0, 2), "d": ints(1, 3)},
    ),
    "softmax": (helper.make_node("Softmax", ["x"], ["out"], axis=1), (2, 5), {}),
    "squeeze": (helper.make_node("Squeeze", ["x", "a"], ["out"]), (1, 3, 1), {"a": ints(0, 2)}),
    "transpose": (helper.make_node("Transpose", ["x"], ["out"], perm=[2, 0, 1]), (2, 3, 4), {}),
    "unsqueeze": (helper.make_node("Unsqueeze", ["x", "a"], ["out"]), (3, 4), {"a": ints(3, 0)}),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_says_what_onnx_runtime_says(name: str) -> None:
    node, shape, weights = CASES[name]
    x = draw(*shape)
    content = onnx_file([node], {"x": x}, weights)
    with torch.inference_mode():
        (found,) = read_graph(content)(torch.from_numpy(x))
    expected = by_onnxruntime(content, {"x": x})
    assert found.numpy().dtype == expected.dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("file", "allowed"), [("model.onnx", 1e-4), ("model.fp16.onnx", 5e-3)])
def test_the_demo_graph_gives_the_golden_outputs(file: str, allowed: float) -> None:
    bundle = load_bundle(DEMO)
    crops, golden = bundle.golden.crops, bundle.golden.outputs
    with torch.inference_mode():
        found = read_graph(bundle.files[file])(
            torch.from_numpy(crops.images), torch.from_numpy(crops.background)
        )
    for name, column in zip(OUTPUT_SHAPES, found, strict=True):
        assert column.shape == getattr(golden, name).shape
        if name in ("class_logits", "marker_z"):
            assert np.abs(column.numpy() - getattr(golden, name)).max() <= allowed


def test_what_is_not_understood_is_refused_by_name() -> None:
    x = draw(2, 2)
    for node, says in (
        (
            helper.make_node("Tan", ["x"], ["out"]),
            "operator ai.onnx:Tan with 1 outputs is not understood",
        ),
        (helper.make_node("Add", ["x", "x"], ["out"], domain="own"), "operator own:Add"),
        (helper.make_node("Add", ["x", "y"], ["out"]), "Add reads 'y', which nothing gives"),
        (helper.make_node("Exp", ["x"], ["other"]), "nothing gives the output 'out'"),
    ):
        with pytest.raises(EngineFault, match=says):
            read_graph(onnx_file([node], {"x": x}, {}))
    with pytest.raises(EngineFault, match="w is int8, understood are float16 to float64"):
        read_graph(
            onnx_file([helper.make_node("Add", ["x", "w"], ["out"])], {"x": x}, {"w": np.int8(3)})
        )
    with pytest.raises(EngineFault, match=r"^torch: not an ONNX graph: "):
        read_graph(b"\xff\xff no graph")


def test_a_missing_onnx_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackage, match=r"pip install 'phenostream\[trainer\]'"):
        read_graph(b"")
