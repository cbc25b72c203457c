"""Which arithmetic of a bundle's graph becomes int8, and which values are rounded for it.

The body up to `feature` and nothing else: convolutions of many planes and products with a fixed matrix. Before it, the
division by the background and the first convolutions, which see four shots and cost little, stay float; so do layer
norms, softmax, the products inside attention, and the heads with all that follows, which are small and decide.
Knows ONNX graphs by their structure, no names but those of the bundle's contract.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

LAST: Final = "feature"
"""Output of the graph up to which it may be int8."""
_LEAST_PLANES: Final = 16
"""A convolution of fewer input planes gains nothing from int8."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where int8 goes.

    Attributes:
        nodes: Names of the convolutions and products with int8 weights.
        values: Names of the values that are rounded to int8.
        before_gelu: Those of `values` that only a GELU reads: what is far below zero does not matter there.
        alike: Sets of values that must share one scale, since they are concatenated.
    """

    nodes: tuple[str, ...]
    values: tuple[str, ...]
    before_gelu: frozenset[str]
    alike: tuple[tuple[str, ...], ...]


def place(model: Any) -> Placement:
    """Where int8 goes in a graph (an `onnx.ModelProto` of a bundle); no nodes where nothing qualifies."""
    graph = _Graph(model)
    nodes = [node for node in graph.up_to(LAST) if graph.is_wide(node)]
    values = dict.fromkeys(node.input[0] for node in nodes)
    before_gelu = [
        node.output[0]
        for node in nodes
        if node.op_type == "Conv" and graph.readers(node.output[0]) == ["Gelu"]
    ]
    first = [
        graph.made[graph.made[value].input[0]].output[0]
        for value in values
        if graph.kind(value) == "Gelu" and graph.kind(graph.made[value].input[0]) == "Conv"
    ]
    before_gelu += [value for value in first if value not in before_gelu]
    alike = tuple(
        tuple(graph.made[part].input)
        for value in values
        if graph.kind(value) == "Add"
        for part in graph.made[value].input
        if graph.kind(part) == "Concat"
    )
    values |= dict.fromkeys(before_gelu) | dict.fromkeys(
        value for parts in alike for value in parts
    )
    return Placement(
        tuple(node.name for node in nodes), tuple(values), frozenset(before_gelu), alike
    )


class _Graph:
    """One pass of who makes and who reads each value."""

    def __init__(self, model: Any) -> None:
        self.nodes: list[Any] = list(model.graph.node)
        self.made: dict[str, Any] = {out: node for node in self.nodes for out in node.output}
        self._shapes = {fixed.name: tuple(fixed.dims) for fixed in model.graph.initializer}
        self._readers: dict[str, list[str]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self._readers[name].append(node.op_type)

    def readers(self, value: str) -> list[str]:
        """Kinds of the nodes that read a value."""
        return self._readers[value]

    def kind(self, value: str) -> str:
        """Kind of the node that makes a value; empty for inputs and fixed ones."""
        return self.made[value].op_type if value in self.made else ""

    def up_to(self, value: str) -> list[Any]:
        """All nodes that a value is made from, in the order of the graph."""
        wanted, found = [value], set()
        while wanted:
            node = self.made.get(wanted.pop())
            if node is not None and node.name not in found:
                found.add(node.name)
                wanted.extend(node.input)
        return [node for node in self.nodes if node.name in found]

    def is_wide(self, node: Any) -> bool:
        """Whether a node is arithmetic that int8 pays for."""
        shape = self._shapes.get(node.input[1], ()) if len(node.input) > 1 else ()
        if node.op_type == "Conv":
            return len(shape) == 4 and shape[1] >= _LEAST_PLANES
        return node.op_type == "MatMul" and len(shape) == 2
