"""Does an ONNX file stay within itself? Answered without the onnx package, by walking the protobuf.

A model that keeps tensors in other files would make the runtime read bytes that no hash covers, and one that names
operators of somebody's own would make it look for their code, so a bundle refuses both. Knows only the fields that can
hold a tensor or an operator (onnx.proto3), and no runtime. Any bytes are safe to walk: the depth and the number of
fields are bounded, and nothing is copied but the names of domains.
"""

from collections.abc import Iterator
from typing import Final

OPERATOR_DOMAINS: Final = ("", "ai.onnx", "ai.onnx.ml")
"""Operators of these are part of every runtime; the first is another way to write the second."""
DEEPEST: Final = 64
MOST_FIELDS: Final = 250_000
"""The demo model has 3,749; a model with more is refused after a third of a second."""

_TENSOR, _NODE, _FUNCTION, _OPERATORS = "Tensor", "Node", "Function", "OperatorSet"
_CHILDREN: Final[dict[str, dict[int, str]]] = {
    "Model": {7: "Graph", 8: _OPERATORS, 20: "Training", 25: _FUNCTION},
    "Training": {1: "Graph", 2: "Graph"},
    _FUNCTION: {7: _NODE, 9: _OPERATORS, 11: "Attribute"},
    "Graph": {1: _NODE, 5: _TENSOR, 15: "SparseTensor"},
    _NODE: {5: "Attribute"},
    "Attribute": {
        5: _TENSOR,
        6: "Graph",
        10: _TENSOR,
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
    _OPERATORS: {},
}
_DOMAIN: Final = {_NODE: 7, _FUNCTION: 10, _OPERATORS: 1}
_IR_VERSION, _EXTERNAL_DATA, _DATA_LOCATION = 1, 13, 14
_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_LARGEST_KEY: Final = 2**32 - 1
"""Of field and wire type together; what is above, parsers cut down to something else."""


def confinement_fault(model: bytes) -> str | None:
    """Why a model reaches outside its own file; None if it does not.

    Raises:
        ValueError: The bytes are not an ONNX model, or one with a nesting or number of fields that no model has.
    """
    walk = _Walk()
    walk.search(memoryview(model), "Model", 0)
    if walk.fault is None and not walk.versioned:
        raise ValueError("no IR version")
    return walk.fault


class _Walk:
    """One pass over a model; `fault` is the first thing that is outside, and ends it."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.versioned = False
        self._fields = 0

    def search(self, message: memoryview, kind: str, depth: int) -> None:
        if depth > DEEPEST:
            raise ValueError("nested too deeply")
        children = _CHILDREN[kind]
        for field, value in self._each(message):
            self.fault = _fault(kind, field, value)
            if self.fault is None and isinstance(value, memoryview) and field in children:
                self.search(value, children[field], depth + 1)
            if self.fault is not None:
                return
            self.versioned |= (kind, field) == ("Model", _IR_VERSION) and isinstance(value, int)

    def _each(self, message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
        """The fields of one message; a value of fixed size is given as its bytes."""
        position, end = 0, len(message)
        while position < end:
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise ValueError(f"more than {MOST_FIELDS} fields")
            key, position = _varint(message, position)
            field, wire = key >> 3, key & 7
            if not field or key > _LARGEST_KEY:
                raise ValueError(f"field {field}")
            if wire == _VARINT:
                value, position = _varint(message, position)
                yield field, value
                continue
            if wire == _BYTES:
                size, position = _varint(message, position)
            elif wire in _FIXED:
                size = _FIXED[wire]
            else:
                raise ValueError(f"wire type {wire}")
            if size > end - position:
                raise ValueError("cut short")
            yield field, message[position : position + size]
            position += size


def _fault(kind: str, field: int, value: memoryview | int) -> str | None:
    """What is wrong with one field by itself."""
    if kind == _TENSOR and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0)):
        return "keeps tensors in other files; expected one self-contained file"
    if field != _DOMAIN.get(kind) or not isinstance(value, memoryview):
        return None
    domain = bytes(value[:81]).decode("utf-8", "replace")
    if domain in OPERATOR_DOMAINS:
        return None
    allowed = ", ".join(filter(None, OPERATOR_DOMAINS))
    return f"names operators of {domain[:80]!r}; allowed {allowed}"


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("cut short")
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise ValueError("number too long")
