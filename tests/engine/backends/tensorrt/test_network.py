"""Only the bundle's graph is built: other names, types, shapes and operators are one line that names them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

onnx = pytest.importorskip("onnx", reason="onnx is of the trainer extra")
pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this machine")
pytestmark = pytest.mark.trainer

from phenostream.engine.backends.tensorrt.build import BuildSettings, build_plan  # noqa: E402
from phenostream.engine.backends.tensorrt.library import import_library  # noqa: E402
from phenostream.engine.errors import BadBundle  # noqa: E402

DEMO = Path(__file__).parents[4] / "deploy" / "demo_bundle"
Edit = Callable[[Any], None]


@pytest.fixture(scope="module")
def original() -> bytes:
    return (DEMO / "model.fp16.onnx").read_bytes()


def rename(kind: str, before: str, after: str) -> Edit:
    """Give a tensor another name wherever it is written or read."""

    def edit(graph: Any) -> None:
        (entry,) = [value for value in getattr(graph, kind) if value.name == before]
        entry.name = after
        for node in graph.node:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == before:
                        names[place] = after

    return edit


def reshape(name: str, axis: int, size: int) -> Edit:
    def edit(graph: Any) -> None:
        (entry,) = [value for value in graph.input if value.name == name]
        entry.type.tensor_type.shape.dim[axis].ClearField("dim_param")
        entry.type.tensor_type.shape.dim[axis].dim_value = size

    return edit


def narrow_output(graph: Any) -> None:
    """Leave an output in float16."""
    (last,) = [node for node in graph.node if "reject_probability" in node.output]
    last.output[0] = "wide"
    half = onnx.TensorProto.FLOAT16
    graph.node.append(onnx.helper.make_node("Cast", ["wide"], ["reject_probability"], to=half))


def narrow_cast(graph: Any) -> None:
    """Have one cast at the graph's float32 end give float16."""
    (cast,) = [node for node in graph.node if node.op_type == "Cast" and "feature" in node.output]
    cast.attribute[0].i = onnx.TensorProto.FLOAT16


def half_input(graph: Any) -> None:
    (entry,) = [value for value in graph.input if value.name == "background"]
    entry.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def drop_output(graph: Any) -> None:
    del graph.output[0]


def add_output(graph: Any) -> None:
    graph.output.append(onnx.helper.make_tensor_value_info("normalised", 1, ["batch", 4, 28, 28]))


def unknown_operator(graph: Any) -> None:
    (node,) = [node for node in graph.node if "feature" in node.output]
    node.op_type, node.name = "Multinomial", "dice"


def misnamed_operator(graph: Any) -> None:
    node = graph.node[0]
    node.op_type, node.name = "NoSuchThing", "first"


def dangling(graph: Any) -> None:
    graph.node[5].input[0] = "nobody"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (rename("input", "images", "crops"), "input 'images' is missing, found background, crops$"),
        (
            rename("output", "marker_z", "markers"),
            "output 'marker_z' is missing, found class_logits",
        ),
        (drop_output, "output 'class_logits' is missing"),
        (add_output, "output 'normalised' is not known, allowed class_logits, marker_z"),
        (narrow_output, "output reject_probability is half, expected float32$"),
        (narrow_cast, "operator MatMul .* must have same input types"),
        (half_input, "operator .* must have "),
        (
            reshape("images", 0, 16),
            r"images has shape \(16, 4, 28, 28\), expected \(-1, 4, 28, 28\)",
        ),
        (unknown_operator, r"operator Multinomial \(node 'dice'\) is not supported$"),
        (misnamed_operator, r"operator NoSuchThing \(node 'first'\) is not supported$"),
        (dangling, "does not take it: operator .*Node input was not registered"),
    ],
)
def test_a_graph_that_is_not_a_bundles_is_refused(original: bytes, edit: Edit, says: str) -> None:
    model = onnx.load_from_string(original)
    edit(model.graph)
    with pytest.raises(BadBundle, match=f"^model.fp16.onnx: .*{says}") as caught:
        build_plan(import_library("tensorrt_rtx"), model.SerializeToString(), BuildSettings())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "input 'images' is missing, found none"),
        (b"\0\1\2 no model", "input 'images' is missing, found none"),
    ],
)
def test_bytes_that_are_no_model_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(BadBundle, match=says):
        build_plan(import_library("tensorrt_rtx"), content, BuildSettings())


def test_a_model_that_is_cut_short_is_refused(original: bytes) -> None:
    with pytest.raises(BadBundle, match="Failed to parse the ONNX model"):
        build_plan(import_library("tensorrt_rtx"), original[:-5000], BuildSettings())
