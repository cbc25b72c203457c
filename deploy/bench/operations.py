"""What the bundle's graph asks for per cell: operations by kind, and bytes.

Counted from `model.onnx` as OpenVINO reads it (the base install has no other reader), with every shape fixed for one
cell; nothing is run. A multiplication and the addition behind it are two operations. Padding counts as if it were
computed, and what a library computes a GELU from counts as one.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from phenostream.engine.backends.openvino.library import import_openvino
from phenostream.engine.errors import BadBundle
from phenostream.engine.types import CROP_PX

WIDTHS: Final = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
"""Bytes of a value."""
PRODUCTS: Final = ("convolution", "matrix product")
"""Kinds that matrix units compute."""
_KINDS: Final[dict[str, tuple[str, int]]] = {
    "Add": ("sum or product of values", 1),
    "Subtract": ("sum or product of values", 1),
    "Multiply": ("sum or product of values", 1),
    "Divide": ("sum or product of values", 1),
    "Maximum": ("sum or product of values", 1),
    "Minimum": ("sum or product of values", 1),
    "Gelu": ("activation", 1),
    "Sigmoid": ("activation", 1),
    "Exp": ("activation", 1),
    "Power": ("activation", 1),
    "Sqrt": ("activation", 1),
    "Softmax": ("softmax", 3),
    "MVN": ("normalisation", 4),
    "Transpose": ("movement", 0),
    "Concat": ("movement", 0),
    "Slice": ("movement", 0),
    "Gather": ("movement", 0),
    "Broadcast": ("movement", 0),
}
"""Kind, and operations for each value of the result."""
_REDUCTIONS: Final = ("ReduceMean", "ReduceMin", "ReduceMax", "ReduceSum")
"""One operation for each value that is read."""
_FREE: Final = ("Reshape", "Squeeze", "Unsqueeze", "Constant", "Parameter", "Result", "Convert")
"""They compute nothing and move nothing."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one cell asks for.

    Attributes:
        operations: By kind.
        values_moved: Values read and written if every step of the graph read its inputs from memory and wrote its
            result there, weights not counted.
        values_in_out: Values of the cell's own inputs and outputs.
        weights: Values of the weights, which a batch reads once.
    """

    operations: dict[str, int]
    values_moved: int
    values_in_out: int
    weights: int

    @property
    def total(self) -> int:
        """Operations of all kinds."""
        return sum(self.operations.values())

    @property
    def products(self) -> int:
        """Operations that matrix units can do."""
        return sum(self.operations.get(kind, 0) for kind in PRODUCTS)

    def least_bytes(self, precision: str, batch: int) -> float:
        """What a cell cannot but move: its inputs and outputs (float32), and its share of the weights."""
        return self.values_in_out * WIDTHS["fp32"] + self.weights * WIDTHS[precision] / batch

    def unfused_bytes(self, precision: str, batch: int) -> float:
        """What it moves if nothing is fused and no cache holds anything: the other extreme."""
        width = WIDTHS[precision]
        return self.values_moved * width + self.weights * width / batch

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "total": self.total, "products": self.products}


def count_work(model: bytes) -> Work:
    """Count a bundle's graph.

    Args:
        model: `model.onnx`, verified.

    Raises:
        BadBundle: OpenVINO cannot read it, or its shapes cannot be told for one cell.
        MissingPackage: OpenVINO is not installed.
    """
    openvino = import_openvino()
    try:
        graph = openvino.Core().read_model(model)
        shapes = {"images": [1, 4, CROP_PX, CROP_PX], "background": [1, 4]}
        graph.reshape({name: shapes[name] for port in graph.inputs for name in port.get_names()})
        steps = list(_steps(graph))
    except (RuntimeError, KeyError) as err:
        raise BadBundle(
            f"model.onnx: cannot be counted: {' '.join(str(err).split())[:200]}"
        ) from err
    operations: Counter[str] = Counter()
    moved = 0
    for node, inputs in steps:
        kind, count = _operations(node)
        operations[kind] += count
        moved += _values(node.output(0)) + sum(map(_values, inputs))
    ports = [*graph.inputs, *graph.outputs]
    weights = sum(
        _values(node.output(0))
        for node in graph.get_ordered_ops()
        if node.get_type_name() == "Constant" and _is_real(node.output(0))
    )
    return Work(dict(operations), moved, sum(map(_values, ports)), weights)


def _steps(graph: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Nodes that compute or move real values of the cell, each with the inputs that hold such values."""
    of_the_cell: set[str] = set()
    for node in graph.get_ordered_ops():
        name, kind = node.get_friendly_name(), node.get_type_name()
        inputs = [
            port
            for port in node.inputs()
            if _is_real(port)
            and port.get_source_output().get_node().get_friendly_name() in of_the_cell
        ]
        if kind == "Parameter" or inputs:
            of_the_cell.add(name)
        if inputs and kind not in _FREE and _is_real(node.output(0)):
            yield node, inputs


def _operations(node: Any) -> tuple[str, int]:
    """Kind, and how many."""
    name, results = node.get_type_name(), _values(node.output(0))
    if name in ("Convolution", "GroupConvolution"):
        weight = list(node.input(1).get_shape())
        outputs = weight[0] * (weight[1] if name == "GroupConvolution" else 1)
        return "convolution", 2 * results * (math.prod(weight) // outputs)
    if name == "MatMul":
        shape = list(node.input(0).get_shape())
        inner = shape[-2] if node.get_attributes()["transpose_a"] else shape[-1]
        return "matrix product", 2 * results * inner
    if name in _REDUCTIONS:
        return "reduction", _values(node.input(0))
    kind, each = _KINDS.get(name, (f"other ({name})", 1))
    return kind, each * results


def _is_real(port: Any) -> bool:
    return bool(port.get_element_type().is_real())


def _values(port: Any) -> int:
    return math.prod(port.get_shape())
