"""Biases of the rounded convolutions, moved so that each plane has the mean that it had before rounding.

Rounding and clipping shift the mean of a plane, GELU makes more of it, and the shifts of many layers add up to a score
that is off in one direction. The shift is measured on cells and taken out of the bias (empirical bias correction:
Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019), layer after layer,
since a layer's shift depends on what was mended before it. Products with a matrix have no bias of their own to move.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.quantisation.placement import Placement
from phenostream.trainer.quantisation.ranges import values_on

F64 = npt.NDArray[np.float64]


def with_means_kept(content: bytes, rounded: bytes, placement: Placement, cells: CellSet) -> bytes:
    """The int8 graph (ONNX bytes) with other biases; a convolution without a fixed bias stays as it is.

    Args:
        content: The float32 graph.
        rounded: What `quantised` made of it.
        placement: Of both.
        cells: That scales were fitted to.
    """
    model = onnx.load_model_from_string(rounded)
    fixed = {one.name for one in model.graph.initializer}
    convolutions = [
        node
        for node in model.graph.node
        if node.name in placement.nodes and node.op_type == "Conv" and fixed & set(node.input[2:])
    ]
    made = [node.output[0] for node in convolutions]
    wanted = dict(zip(made, _plane_means(content, made, cells), strict=True))
    for node in convolutions:
        (found,) = _plane_means(model.SerializeToString(), [node.output[0]], cells)
        _move_bias(model.graph, node, wanted[node.output[0]] - found)
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString(deterministic=True)
    return result


def _plane_means(model: bytes, values: Sequence[str], cells: CellSet) -> list[F64]:
    """Mean of every plane of each value (B, planes, height, width), over all cells and places."""
    total: list[F64] = [np.zeros(1) for _ in values]
    for found in values_on(model, values, cells):
        for place, value in enumerate(found):
            total[place] = total[place] + value.mean(axis=(2, 3), dtype=np.float64).sum(axis=0)
    return [one / len(cells) for one in total]


def _move_bias(graph: Any, node: Any, by: F64) -> None:
    """A bias of the node's own, however many nodes read the old one."""
    fixed = {one.name: one for one in graph.initializer}
    old = node.input[2]
    node.input[2] = f"{node.name}_kept_mean"
    bias = numpy_helper.to_array(fixed[old]).astype(np.float64) + by
    graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), node.input[2]))
    if not any(old in other.input for other in graph.node):
        graph.initializer.remove(fixed[old])
