"""Does an ONNX file point at other files? Answered without the onnx package, by walking the protobuf.

A model that keeps tensors in other files would make the runtime read bytes that no hash covers, so a bundle refuses it.
Knows only the field numbers that can hold a tensor (onnx.proto3).
"""

from collections.abc import Iterator
from typing import Final

_TENSOR = "TensorProto"
_CHILDREN: Final[dict[str, dict[int, str]]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: _TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: _TENSOR,
        6: "GraphProto",
        10: _TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_DEEPEST = 64


def has_external_data(model: bytes) -> bool:
    """True where any tensor of the model is kept in another file.

    Raises:
        ValueError: The bytes are not a protobuf message.
    """
    return _search(memoryview(model), "ModelProto", 0)


def _search(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    children = _CHILDREN[kind]
    for field, value in _fields(message):
        if kind == _TENSOR and (
            field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value == 1)
        ):
            return True
        child = children.get(field)
        if child and isinstance(value, memoryview) and _search(value, child, depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield field, value
            continue
        if wire == 2:
            size, position = _varint(message, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if size > end - position:
            raise ValueError("cut short")
        yield field, message[position : position + size]
        position += size


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
