"""A graph with int8 written into it as pairs of QuantizeLinear and DequantizeLinear.

Symmetric throughout: zero is 0, weights are -127 to 127 with a scale for each output channel, activations have one
scale. Biases stay float32: TensorRT refuses an int32 bias. What a runtime makes of the pairs is its own affair; the
arithmetic they describe is the same everywhere.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from phenostream.engine.types import F32
from phenostream.trainer.quantisation.placement import Placement
from phenostream.trainer.quantisation.ranges import Range

STEPS: Final = 127
GELU_FROM: Final = 3.0
"""What a GELU reads is kept at least from the negative of this: below, it gives less than 0.005 in size."""
_LEAST_SCALE: Final = 1e-8
_HEAVY: Final = 4096
"""Numbers in a fixed matrix from which on it is stored in int8 even where the product stays float."""


def quantised(content: bytes, placement: Placement, ranges: Mapping[str, Range]) -> bytes:
    """The graph in int8 where `placement` says.

    Args:
        content: The float32 graph.
        placement: Of this graph.
        ranges: Of all its `values`.
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    fixed = {one.name: one for one in graph.initializer}
    added: list[Any] = []
    for name, scale in scales(placement, ranges).items():
        added += _fixed_scale(name, np.array(scale, np.float32))
    nodes: list[Any] = []
    for original in graph.node:
        node = copy.deepcopy(original)
        _read_rounded(node, placement)
        if node.name in placement.nodes or _is_heavy(node, fixed):
            weights, pair = _rounded_weights(node, numpy_helper.to_array(fixed[node.input[1]]))
            added += weights
            nodes.append(pair)
        nodes.append(node)
        for name in node.output:
            if name in placement.values:
                nodes += _pair(name)
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    kept = [one for one in graph.initializer if one.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept + added)
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString(deterministic=True)
    return result


def scales(placement: Placement, ranges: Mapping[str, Range]) -> dict[str, float]:
    """What one step of int8 is worth, by value."""
    largest = {}
    for name in placement.values:
        found = ranges[name]
        least = GELU_FROM if name in placement.before_gelu else -found.low
        largest[name] = max(found.high, least)
    for names in placement.alike:
        together = max(largest[name] for name in names)
        largest |= dict.fromkeys(names, together)
    return {name: max(value / STEPS, _LEAST_SCALE) for name, value in largest.items()}


def _read_rounded(node: Any, placement: Placement) -> None:
    for place, name in enumerate(node.input):
        if name in placement.values:
            node.input[place] = f"{name}_rounded"


def _rounded_weights(node: Any, weights: F32) -> tuple[list[Any], Any]:
    """The int8 weights with their scales, and the node that gives them back; `node` then reads from that."""
    axis = 1 if node.op_type == "MatMul" else 0
    others = tuple(place for place in range(weights.ndim) if place != axis)
    step = np.maximum(np.abs(weights).max(axis=others) / STEPS, _LEAST_SCALE).astype(np.float32)
    shape = [-1 if place == axis else 1 for place in range(weights.ndim)]
    whole = np.clip(np.rint(weights / step.reshape(shape)), -STEPS, STEPS).astype(np.int8)
    name = node.input[1]
    node.input[1] = f"{name}_rounded"
    inputs = [f"{name}_int8", f"{name}_scale", f"{name}_zero"]
    pair = helper.make_node(
        "DequantizeLinear", inputs, [node.input[1]], name=f"{name}_DequantizeLinear", axis=axis
    )
    return [numpy_helper.from_array(whole, inputs[0]), *_fixed_scale(name, step)], pair


def _is_heavy(node: Any, fixed: Mapping[str, Any]) -> bool:
    """Whether a product of the float part has weights worth storing in a quarter of the room, each row an output."""
    if node.op_type != "Gemm" or node.input[1] not in fixed:
        return False
    turned = any(one.name == "transB" and one.i for one in node.attribute)
    return turned and int(np.prod(fixed[node.input[1]].dims)) >= _HEAVY


def _fixed_scale(name: str, scale: F32) -> list[Any]:
    zero = np.zeros(scale.shape, np.int8)
    return [
        numpy_helper.from_array(scale, f"{name}_scale"),
        numpy_helper.from_array(zero, f"{name}_zero"),
    ]


def _pair(name: str) -> list[Any]:
    """From a float value to int8 and back."""
    fixed = [f"{name}_scale", f"{name}_zero"]
    return [
        helper.make_node(
            "QuantizeLinear", [name, *fixed], [f"{name}_int8"], name=f"{name}_QuantizeLinear"
        ),
        helper.make_node(
            "DequantizeLinear",
            [f"{name}_int8", *fixed],
            [f"{name}_rounded"],
            name=f"{name}_DequantizeLinear",
        ),
    ]
