"""In bfloat16, products are narrow and nothing else is; the weights are float32's, rounded once."""

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
from phenostream.engine.backends.torch.narrowing import to_bfloat16  # noqa: E402
from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from tests.engine.backends.torch_graphs import onnx_file  # noqa: E402

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"
HALF, FLOAT = 10, 1


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


def narrow(bundle: Bundle) -> Any:
    wide = read_graph(bundle.files["model.onnx"])
    return to_bfloat16(read_graph(bundle.files["model.fp16.onnx"]), wide)


def logits(module: Any, bundle: Bundle) -> Any:
    crops = bundle.golden.crops
    with torch.inference_mode():
        outputs = module(torch.from_numpy(crops.images), torch.from_numpy(crops.background))
    return outputs[0]


def test_it_is_nearer_to_float32_than_a_graph_that_is_narrow_throughout(bundle: Bundle) -> None:
    found = logits(narrow(bundle), bundle).numpy()
    assert np.abs(found - bundle.golden.outputs.class_logits).max() < 0.02  # throughout: 0.11


def test_every_convolution_is_narrow_and_every_normalisation_is_not(bundle: Bundle) -> None:
    module = narrow(bundle)
    kinds: dict[str, set[Any]] = {}

    def watched(node: Any) -> Any:
        real = node.target

        def run(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            if isinstance(result, torch.Tensor):
                kinds.setdefault(real.__name__, set()).add(result.dtype)
            return result

        run.__name__ = real.__name__
        return run

    for node in module.graph.nodes:
        if node.op == "call_function":
            node.target = watched(node)
    module.recompile()
    logits(module, bundle)
    assert kinds["layer_normalization"] == kinds["softmax"] == {torch.float32}
    assert kinds["gemm"] == {torch.bfloat16}
    assert torch.bfloat16 in kinds["conv"]


def test_widened_channels_change_nothing_in_bfloat16_either(bundle: Bundle) -> None:
    plain, widened = (
        logits(module, bundle) for module in (narrow(bundle), align_channels(narrow(bundle)))
    )
    np.testing.assert_allclose(plain.numpy(), widened.numpy(), atol=0.02)


def test_weights_are_rounded_once_and_a_name_that_means_another_value_is_not_followed() -> None:
    x = np.ones((2, 1), np.float32)
    fine = np.float32(1 + 2**-8 + 2**-12)  # float16 makes it a tie, which bfloat16 rounds down
    half, single = (
        onnx_file(
            [
                helper.make_node("Cast", ["x"], ["narrow"], to=HALF if kind is np.float16 else FLOAT),
                helper.make_node("MatMul", ["narrow", "weight"], ["product"]),
                helper.make_node("Add", ["product", "val_1"], ["sum"]),
                helper.make_node("Cast", ["sum"], ["out"], to=FLOAT),
            ],
            {"x": x},
            {"weight": np.array([[fine]], kind), "val_1": np.array([number], kind)},
        )
        for kind, number in ((np.float16, 4), (np.float32, 7))
    )  # fmt: skip
    module = to_bfloat16(read_graph(half), read_graph(single))
    (found,) = module(torch.from_numpy(x))
    rounded = torch.tensor(fine).to(torch.bfloat16).float()
    assert found.dtype is torch.float32
    np.testing.assert_array_equal(found.numpy(), np.full((2, 1), rounded + 4))
