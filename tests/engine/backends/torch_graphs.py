"""Small ONNX graphs for the tests of the torch backend."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from phenostream.engine.backends.onnxruntime import import_onnxruntime

FLOATS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16}
Array = np.ndarray[Any, np.dtype[Any]]


def onnx_file(
    nodes: Sequence[Any], inputs: Mapping[str, Array], weights: Mapping[str, Any]
) -> bytes:
    """A graph that gives the value `out`; integer weights are shapes, axes and places."""
    entries = [
        helper.make_tensor_value_info(name, FLOATS[array.dtype], array.shape)
        for name, array in inputs.items()
    ]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    out = [helper.make_empty_tensor_value_info("out")]
    graph = helper.make_graph(list(nodes), "test", entries, out, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def by_onnxruntime(content: bytes, inputs: Mapping[str, Array]) -> Array:
    """The reference's `out`."""
    session = import_onnxruntime().InferenceSession(content, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, dict(inputs))[0]
    return found
