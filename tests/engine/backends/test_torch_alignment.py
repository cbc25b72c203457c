"""Widened convolutions compute the same numbers, and every one fills a tensor core."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = pytest.mark.trainer

from onnx import helper  # noqa: E402

from phenostream.engine.backends.torch.alignment import align_channels  # noqa: E402
from phenostream.engine.backends.torch.graph import read_graph  # noqa: E402
from phenostream.engine.bundle import load_bundle  # noqa: E402
from tests.engine.backends.torch_graphs import onnx_file  # noqa: E402

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"
RANDOM = np.random.default_rng(6)


def draw(*shape: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    return RANDOM.normal(size=shape).astype(np.float32)


def conv(source: str, weight: str, to: str) -> Any:
    return helper.make_node(
        "Conv", [source, weight], [to], pads=[0] * 4, strides=[1, 1], dilations=[1, 1], group=1
    )


GRAPHS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "a result that leaves": ([conv("x", "w", "out")], {"w": draw(6, 4, 1, 1)}),
    "a bias": (
        [
            helper.make_node(
                "Conv",
                ["x", "w", "b"],
                ["c"],
                pads=[0] * 4,
                strides=[1, 1],
                dilations=[1, 1],
                group=1,
            ),
            helper.make_node("Gelu", ["c"], ["g"], approximate="none"),
            conv("g", "v", "out"),
        ],
        {"w": draw(6, 4, 1, 1), "b": draw(6), "v": draw(3, 6, 1, 1)},
    ),
    "branches and a shortcut": (
        [
            conv("x", "w", "a"),
            conv("x", "v", "b"),
            helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
            conv("x", "u", "s"),
            helper.make_node("Add", ["s", "c"], ["d"]),
            conv("d", "t", "out"),
        ],
        {
            "w": draw(5, 4, 1, 1),
            "v": draw(11, 4, 1, 1),
            "u": draw(16, 4, 1, 1),
            "t": draw(2, 16, 1, 1),
        },
    ),
    "a shortcut that others read": (
        [
            conv("x", "w", "a"),
            conv("x", "v", "b"),
            helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
            conv("x", "u", "s"),
            helper.make_node("Exp", ["s"], ["e"]),
            helper.make_node("Add", ["s", "c"], ["d"]),
            helper.make_node("Add", ["d", "e"], ["out"]),
        ],
        {"w": draw(5, 4, 1, 1), "v": draw(11, 4, 1, 1), "u": draw(16, 4, 1, 1)},
    ),
    "a branch beside a plain value": (
        [
            conv("x", "w", "a"),
            helper.make_node("Concat", ["a", "x"], ["out"], axis=1),
        ],
        {"w": draw(5, 4, 1, 1)},
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_widened_graph_says_the_same(name: str) -> None:
    nodes, weights = GRAPHS[name]
    x = draw(2, 4, 3, 3)
    content = onnx_file(nodes, {"x": x}, weights)
    with torch.inference_mode():
        (expected,) = read_graph(content)(torch.from_numpy(x))
        (found,) = align_channels(read_graph(content))(torch.from_numpy(x))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("file", "allowed"), [("model.onnx", 1e-5), ("model.fp16.onnx", 5e-3)])
def test_the_published_network_is_widened_throughout(file: str, allowed: float) -> None:
    bundle = load_bundle(DEMO)
    crops = bundle.golden.crops
    feeds = torch.from_numpy(crops.images), torch.from_numpy(crops.background)
    widened = align_channels(read_graph(bundle.files[file]))
    with torch.inference_mode():
        expected, found = read_graph(bundle.files[file])(*feeds), widened(*feeds)
    for one, other in zip(expected[:2], found[:2], strict=True):
        assert float((one - other).abs().max()) <= allowed
    kernels = [weight.shape for weight in widened.buffers() if weight.dim() == 4]
    assert len(kernels) == 13
    assert all(shape[0] % 8 == 0 for shape in kernels)
    assert [shape[1] for shape in kernels if shape[1] % 8] == [4, 4]  # the four shots themselves
