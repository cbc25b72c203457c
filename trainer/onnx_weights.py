"""The weights in an exported ONNX file, by the names they had in torch.

Knows how torch's exporter names them: by their state names, but for those of linear layers that it transposes, which
are found by the bias that is added after the product. It merges equal constants and folds what it can compute, so that
some names are missing; who needs those keeps them elsewhere.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

_PREFIX: Final = "whole."
"""Of `onnx_graph`'s wrapper."""

Stored = dict[str, npt.NDArray[Any]]


def onnx_weights(content: bytes) -> dict[str, Tensor]:
    """What a file of `onnx_graph.to_onnx` holds, by the names of the graph's state; not all are found."""
    graph = onnx.load_model_from_string(content).graph
    stored: Stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    named = {
        name.removeprefix(_PREFIX): torch.from_numpy(array.copy())
        for name, array in stored.items()
        if name.startswith(_PREFIX)
    }
    return named | _transposed(graph, stored)


def _transposed(graph: onnx.GraphProto, stored: Stored) -> dict[str, Tensor]:
    """Constants of products, named after the bias that is added to each."""
    products = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in stored
    }
    found = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for one, other in (node.input, reversed(node.input)):
            if one in products and other.startswith(_PREFIX) and other.endswith("bias"):
                name = other.removeprefix(_PREFIX).removesuffix("bias") + "weight"
                weight: npt.NDArray[np.float32] = stored[products[one]].T.copy()
                found[name] = torch.from_numpy(weight)
    return found
