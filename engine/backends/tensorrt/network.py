"""An ONNX file as the library's network, and whether that is a bundle's graph: names, types and shapes at its edges.

The library's parser takes bytes that are no model for an empty network, and a graph with other names for a good one.
"""

from collections.abc import Mapping
from typing import Any, Final

from phenostream.engine.backends.tensorrt.library import Library, one_line
from phenostream.engine.backends.tensorrt.profile import INPUT_SHAPES
from phenostream.engine.errors import BadBundle
from phenostream.engine.types import OUTPUT_SHAPES

_NO_OPERATOR: Final = "Plugin not found"
"""In the parser's words for a name that it does not know: it looks among plugins then."""
_ANY: Final = -1
"""The batch axis, of any length."""


def parsed_network(
    library: Library, builder: Any, log: Any, onnx: bytes, file: str
) -> tuple[Any, Any]:
    """A strongly typed network with the edges of a bundle's graph, and its parser.

    The network reads the weights where the parser keeps them: the parser must live until the plan is built.

    Raises:
        BadBundle: It is no model, has an operator that the library does not know, or has other edges.
    """
    trt = library.trt
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        errors = [parser.get_error(place) for place in range(parser.num_errors)]
        raise BadBundle(f"{file}: {library} does not take it: {_condensed(errors)}")
    check_network(library, network, file)
    return network, parser


def check_network(library: Library, network: Any, file: str) -> None:
    """See that a network has the inputs and outputs of a bundle's graph, in float32, and no others.

    Raises:
        BadBundle: It has not; the text names the file, the tensor, and what is expected of it.
    """
    inputs = [network.get_input(place) for place in range(network.num_inputs)]
    outputs = [network.get_output(place) for place in range(network.num_outputs)]
    _check(library, file, "input", inputs, INPUT_SHAPES)
    _check(library, file, "output", outputs, OUTPUT_SHAPES)


def _check(
    library: Library,
    file: str,
    kind: str,
    tensors: list[Any],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    found = {tensor.name: tensor for tensor in tensors}
    allowed = ", ".join(shapes)
    for name in shapes:
        if name not in found:
            had = ", ".join(sorted(found)) or "none"
            raise BadBundle(f"{file}: {kind} {name!r} is missing, found {had}")
    for name in found:
        if name not in shapes:
            raise BadBundle(f"{file}: {kind} {name[:80]!r} is not known, allowed {allowed}")
    for name, rest in shapes.items():
        tensor = found[name]
        if tensor.dtype != library.trt.float32:
            kind_found = str(tensor.dtype).rpartition(".")[2].lower()
            raise BadBundle(f"{file}: {kind} {name} is {kind_found}, expected float32")
        shape = tuple(tensor.shape)
        if shape != (_ANY, *rest):
            raise BadBundle(
                f"{file}: {kind} {name} has shape {shape}, expected {(_ANY, *rest)} (-1: any batch)"
            )


def _condensed(errors: list[Any]) -> str:
    """The first of the parser's errors in words, and how many more nodes have one."""
    if not errors:
        return "no reason given"
    first = errors[0]
    operator, name, text = first.node_operator(), first.node_name(), str(first.desc())
    node = f"operator {operator} (node {one_line(name)!r})" if operator else ""
    unknown = str(first.code()).rpartition(".")[2].startswith("UNSUPPORTED_NODE")
    if node and (unknown or _NO_OPERATOR in text):
        line = f"{node} is not supported"
    else:
        lines = [line for line in text.splitlines() if not line.startswith("Invalid Node")]
        line = f"{node}: " * bool(node) + one_line(lines[0] if lines else "no reason given")
    others = {error.node_name() for error in errors} - {name}
    return f"{line}, and {len(others)} other nodes" if others else line
