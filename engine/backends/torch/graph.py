"""From the bytes of a bundle's ONNX file to a torch module: the same graph, node for node.

Nothing is traced, and nothing in the file is run: nodes are looked up in `OPERATORS` and weights become buffers. The
module is a `torch.fx.GraphModule`: plain Python that torch can also compile.
"""

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, fx

from phenostream.engine.backends.torch.operators import OPERATORS
from phenostream.engine.errors import EngineFault, MissingPackage

LABEL: Final = "label"
"""Key, among what a node that reads a weight is annotated with, of the weight's name in the file."""

Value = fx.Node | tuple[int, ...] | int | None


def read_graph(content: bytes) -> fx.GraphModule:
    """The module that computes what an ONNX graph does.

    Args:
        content: One self-contained ONNX file, already verified.

    Returns:
        A module whose `forward` takes the graph's inputs and returns its outputs, both in the file's order; on the CPU.

    Raises:
        MissingPackage: `onnx` is not installed.
        EngineFault: The file is no ONNX graph, or holds an operator or a type that is not understood.
    """
    onnx = _import_onnx()
    try:
        proto = onnx.load_model_from_string(content).graph
    except Exception as err:  # protobuf raises its own unrelated types
        raise EngineFault(f"torch: not an ONNX graph: {' '.join(str(err).split())[:200]}") from err
    module, graph = torch.nn.Module(), fx.Graph()
    values: dict[str, Value] = {"": None}
    for entry in proto.input:
        values[entry.name] = graph.placeholder(entry.name)
    for number, tensor in enumerate(proto.initializer):
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.int64:
            values[tensor.name] = array.item() if array.ndim == 0 else tuple(array.tolist())
            continue
        name = f"weight_{number}"
        module.register_buffer(name, _weight(tensor.name, array))
        values[tensor.name] = read = graph.get_attr(name)
        read.meta[LABEL] = tensor.name
    for node in proto.node:
        _add(graph, node, values, onnx)
    try:
        graph.output(tuple(values[entry.name] for entry in proto.output))
    except KeyError as err:
        raise EngineFault(f"torch: graph: nothing gives the output {err.args[0]!r}") from err
    return fx.GraphModule(module, graph)


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError as err:
        raise MissingPackage(
            "onnx is not installed: pip install 'phenostream[trainer]' for the torch backend"
        ) from err
    return onnx


def _weight(name: str, array: "np.ndarray[Any, np.dtype[Any]]") -> Tensor:
    if array.dtype not in (np.float32, np.float16, np.float64):
        raise EngineFault(f"torch: {name} is {array.dtype}, understood are float16 to float64")
    return torch.from_numpy(array.copy())


def _add(graph: fx.Graph, node: Any, values: dict[str, Value], onnx: Any) -> None:
    operator = OPERATORS.get(node.op_type)
    if operator is None or node.domain or len(node.output) != 1:
        raise EngineFault(
            f"torch: operator {node.domain or 'ai.onnx'}:{node.op_type} with {len(node.output)} outputs "
            f"is not understood"
        )
    unknown = [name for name in node.input if name not in values]
    if unknown:
        raise EngineFault(f"torch: graph: {node.op_type} reads {unknown[0]!r}, which nothing gives")
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    plain = {
        key: value.decode() if isinstance(value, bytes) else value
        for key, value in attributes.items()
    }
    inputs = tuple(values[name] for name in node.input)
    values[node.output[0]] = graph.call_function(operator, inputs, plain)
