"""Compute one row where only one is read: a transformer whose answer is its class token needs no other at its end.

Where a graph takes one row of a sequence, what leads there is followed backwards for as long as it treats rows alone
(element by element, or by a matrix for all rows) and nobody else reads it whole. Those nodes then get one row. Of our
transformer's last block that leaves keys and values, and of attention, projections and GELUs one fiftieth.
Every number that is still computed is computed as before.

Knows operators and shapes; does not know what the rows are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Axes = Sequence[int | None]
"""For each input of a node, the axis along which only one row of it is read; None: it is read whole."""

_ELEMENTWISE: Final = frozenset(
    (
        *("Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "Power", "FakeQuantize"),
        *("Gelu", "Relu", "Sigmoid", "Tanh", "Exp", "Sqrt", "Clamp", "Convert"),
    )
)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A Gather of one row: the node, the axis and the row's place."""

    gather: Any
    axis: int
    row: int


def drop_unread_rows(openvino: Any, model: Any) -> int:
    """Narrow a model in place.

    Args:
        openvino: The module.
        model: An `openvino.Model`, not yet compiled.

    Returns:
        How many nodes compute one row now.
    """
    narrowed = 0
    for node in model.get_ordered_ops():
        taken = _taken(node)
        if taken is not None:
            narrowed += _narrow(openvino, model, taken)
    if narrowed:
        model.validate_nodes_and_infer_types()
    return narrowed


def _taken(node: Any) -> _Taken | None:
    """What a node takes, if it is a Gather of one row and never counts from the end."""
    if node.get_type_name() != "Gather":
        return None
    row, axis = _constant(node.input_value(1)), _constant(node.input_value(2))
    if row is None or axis is None or row.size != 1 or row.item() < 0 or axis.item() < 1:
        return None
    return _Taken(node, int(axis.item()), int(row.item()))


def _narrow(openvino: Any, model: Any, taken: _Taken) -> int:
    """Let all that only leads to one row compute that row alone; how many nodes that were."""
    nodes = model.get_ordered_ops()
    narrow: dict[str, Axes] = {}
    for node in reversed(nodes):
        axis = _axis_read(node, taken, narrow)
        axes = None if axis is None else _axes(node, axis)
        if axes is not None:
            narrow[node.get_name()] = axes
    if taken.gather.input_value(0).get_node().get_name() not in narrow:
        return 0
    slices: dict[tuple[str, int, int], Any] = {}
    for node in nodes:
        for index, axis in enumerate(narrow.get(node.get_name(), ())):
            value = node.input_value(index)
            if axis is None or value.get_node().get_name() in narrow:
                continue
            key = (value.get_node().get_name(), value.get_index(), axis)
            if key not in slices:
                slices[key] = _one_row(openvino, value, taken.row, axis)
            node.input(index).replace_source_output(slices[key])
        if node.get_name() in narrow and node.get_type_name() == "Reshape":
            _shorten(openvino, node, narrow[node.get_name()][0])
    first = np.zeros(_constant(taken.gather.input_value(1)).shape, np.int64)
    taken.gather.input(1).replace_source_output(openvino.opset13.constant(first).output(0))
    return len(narrow)


def _axis_read(node: Any, taken: _Taken, narrow: dict[str, Axes]) -> int | None:
    """The axis along which all who read a node's only output read the one row; None where somebody reads more."""
    if len(node.outputs()) != 1:
        return None
    axes = set()
    for reader in node.output(0).get_target_inputs():
        name, index = reader.get_node().get_name(), reader.get_index()
        if name == taken.gather.get_name():
            axes.add(taken.axis if index == 0 else None)
        else:
            axes.add(narrow[name][index] if name in narrow else None)
    return axes.pop() if len(axes) == 1 else None


def _axes(node: Any, axis: int) -> Axes | None:
    """What of its inputs a node needs for one row of its output along an axis; None: it cannot be told, or all."""
    kind = node.get_type_name()
    if kind in _ELEMENTWISE:
        return [_aligned(value, node.output(0), axis) for value in node.input_values()]
    rule = _RULES.get(kind)
    return None if rule is None else rule(node, axis)


def _aligned(value: Any, output: Any, axis: int) -> int | None:
    """The axis of an input that is broadcast to the output; None where its one row serves all."""
    own = axis - (_rank(output) - _rank(value))
    return None if own < 0 or _length(value, own) == 1 else own


def _matmul(node: Any, axis: int) -> Axes | None:
    rows = _rank(node.output(0)) - 2
    plain = not node.get_attributes()["transpose_a"] and _rank(node.input_value(0)) == rows + 2
    return [axis, None] if plain and axis == rows else None


def _softmax(node: Any, axis: int) -> Axes | None:
    along = node.get_attributes()["axis"] % _rank(node.output(0))
    return None if along == axis else [axis]


def _normalise(node: Any, axis: int) -> Axes | None:
    along = _constant(node.input_value(1))
    rank = _rank(node.output(0))
    if along is None or axis in {int(one) % rank for one in along.ravel()}:
        return None
    return [axis, None]


def _transpose(node: Any, axis: int) -> Axes | None:
    order = _constant(node.input_value(1))
    return None if order is None else [int(order[axis]), None]


def _reshape(node: Any, axis: int) -> Axes | None:
    """Only of a Reshape that leaves the axis and all before it where they are, and names its length."""
    pattern, value, output = _constant(node.input_value(1)), node.input_value(0), node.output(0)
    if pattern is None or _rank(value) <= axis or pattern[axis] != _length(output, axis):
        return None
    kept = all(
        _length(value, place) == _length(output, place) for place in range(1, axis + 1)
    )  # the first is the batch, which no graph of ours reshapes
    return [axis, None] if kept else None


_RULES: Final[dict[str, Callable[[Any, int], Axes | None]]] = {
    "MatMul": _matmul,
    "MVN": _normalise,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Transpose": _transpose,
}


def _one_row(openvino: Any, value: Any, row: int, axis: int) -> Any:
    ops = openvino.opset13
    start, stop, step, along = (ops.constant(np.array([n])) for n in (row, row + 1, 1, axis))
    return ops.slice(value, start, stop, step, along).output(0)


def _shorten(openvino: Any, node: Any, axis: int | None) -> None:
    """Make a Reshape name one row instead of all."""
    pattern = np.array(_constant(node.input_value(1)), np.int64)
    pattern[axis] = 1
    node.input(1).replace_source_output(openvino.opset13.constant(pattern).output(0))


def _constant(value: Any) -> Any:
    """The array of a constant or of a range between constants, as a norm's axes are read; None of anything else."""
    node = value.get_node()
    if node.get_type_name() == "Range":
        ends = [_constant(end) for end in node.input_values()]
        return (
            None if any(end is None for end in ends) else np.arange(*(end.item() for end in ends))
        )
    return node.data if node.get_type_name() == "Constant" else None


def _rank(value: Any) -> int:
    return len(value.get_partial_shape())


def _length(value: Any, axis: int) -> int | None:
    """None where it depends on the batch."""
    length = value.get_partial_shape()[axis]
    return int(length.get_length()) if length.is_static else None
