"""Every shape of the network leaves as ONNX and says there what torch says; the newest operations in float16 too."""

import copy
from typing import Any, Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.backends.onnxruntime import import_onnxruntime  # noqa: E402
from phenostream.engine.types import F32, OUTPUT_SHAPES, Crops  # noqa: E402
from phenostream.trainer.export import run_graph  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from phenostream.trainer.network.network_options import NetworkOptions  # noqa: E402
from phenostream.trainer.onnx_graph import fold_batchnorm, to_onnx  # noqa: E402
from phenostream.trainer.tolerances import tolerances  # noqa: E402


def random_graph(changed: dict[str, Any]) -> BundleGraph:
    """As after some training: no number of a norm is at its initial value."""
    torch.manual_seed(0)
    graph = BundleGraph(options=NetworkOptions.model_validate(changed))
    with torch.no_grad():
        for name, value in graph.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.is_floating_point() and ("norm" in name or "running_mean" in name):
                value.add_(0.1 * torch.randn_like(value))
    return fold_batchnorm(graph)


def said_by_onnx(model: bytes, crops: Crops) -> dict[str, F32]:
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feeds = {"images": crops.images, "background": crops.background}
    return dict(zip(OUTPUT_SHAPES, session.run(list(OUTPUT_SHAPES), feeds), strict=True))


@pytest.mark.timeout(240)  # an export takes some ten seconds of a quiet core
@pytest.mark.parametrize(
    ("changed", "precision"),
    [
        ({"inputs": "dpc", "fusion": "gate", "norm": "group"}, "fp32"),
        ({"inputs": "dpc", "fusion": "gate", "norm": "group"}, "fp16"),
        ({"vit": False, "channel_attention": False, "tasks": "classes"}, "fp32"),
        ({"cnn": False, "task_gating": False}, "fp32"),
        ({"cnn": False, "tasks": "markers"}, "fp32"),
    ],
    ids=str,
)
def test_every_option_leaves_as_onnx_and_says_what_torch_says(
    changed: dict[str, Any], precision: Literal["fp32", "fp16"]
) -> None:
    graph = random_graph(changed)
    rng = np.random.default_rng(0)
    crops = Crops(
        (0.4 + 0.1 * rng.standard_normal((5, 4, 28, 28))).astype(np.float32),
        np.full((5, 4), 0.4, np.float32),
    )
    golden = run_graph(graph, crops)
    allowed = tolerances(golden, None)[precision]
    model = to_onnx(graph if precision == "fp32" else copy.deepcopy(graph).narrow_body())
    for name, value in said_by_onnx(model, crops).items():
        worst = float(np.abs(value.astype(np.float64) - golden[name]).max())
        assert worst <= allowed[name], (name, worst)
