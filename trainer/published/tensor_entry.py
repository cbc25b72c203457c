"""A tensor as a checkpoint's table of contents has it: where its bytes lie, how many, in which order.

Knows how torch writes tensors into a pickle, and every name that may stand in such a pickle; reads no bytes.
"""

from dataclasses import dataclass
from typing import Any, Final

import torch

from phenostream.engine.errors import BadInput
from phenostream.trainer.published.inert_pickle import MAPPINGS, Call, Name, Persistent

_DTYPES: Final[dict[str, torch.dtype]] = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexDouble": torch.complex128,
    "ComplexFloat": torch.complex64,
}
"""By the name of the storage, without its end."""
_REBUILD: Final = "torch._utils._rebuild_"
_DENSE: Final = frozenset({f"{_REBUILD}tensor", f"{_REBUILD}tensor_v2"})
_PARAMETERS: Final = frozenset({f"{_REBUILD}parameter", f"{_REBUILD}parameter_with_state"})
_ODD_KINDS: Final = {
    f"{_REBUILD}qtensor": "quantised",
    f"{_REBUILD}sparse_tensor": "sparse",
    f"{_REBUILD}sparse_csr_tensor": "sparse",
    f"{_REBUILD}nested_tensor": "nested",
    f"{_REBUILD}meta_tensor_no_storage": "empty",
    f"{_REBUILD}wrapper_subclass": "wrapped",
    f"{_REBUILD}tensor_v3": "of a rare number type",
}
"""Tensors that are recognised, to be refused by their kind where a weight should be."""
_WORDS: Final = {
    "builtins __builtin__": "set frozenset bytearray complex int float bool str list dict tuple",
    "numpy": (
        "dtype ndarray bool bool_ int8 int16 int32 int64 intc intp longlong uint8 uint16 uint32 uint64 uintc uintp "
        "ulonglong float16 float32 float64 longdouble float128 complex64 complex128"
    ),
    "numpy.core.multiarray numpy._core.multiarray": "scalar _reconstruct",
    "numpy.core.numeric numpy._core.numeric": "_frombuffer",
    "torch": (
        "Size device Tensor half float double bfloat16 float16 float32 float64 uint8 int8 int16 int32 int64 short int "
        "long bool complex64 complex128 strided sparse_coo sparse_csr per_tensor_affine per_channel_affine"
    ),
    "torch.nn.parameter": "Parameter",
    "torch.serialization": "_get_layout",
    "torch.storage": "UntypedStorage TypedStorage",
    "_codecs": "encode",
}
ALLOWED: Final = (
    MAPPINGS
    | _DENSE
    | _PARAMETERS
    | frozenset(_ODD_KINDS)
    | {f"torch.{name}Storage" for name in (*_DTYPES, "QInt8", "QUInt8", "QInt32", "Untyped")}
    | {
        f"{module}.{word}"
        for modules, words in _WORDS.items()
        for module in modules.split()
        for word in words.split()
    }
)
"""All that a checkpoint may mention: tensors, their storages, and plain numbers of Python and of numpy 1 and 2."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A tensor that was not read yet.

    Attributes:
        kind: Empty for a plain one, else what is odd about it, such as ``quantised``; then the rest says nothing.
        storage: Key of its storage in the file.
        dtype: Of its elements.
        numel: Elements of the whole storage.
        offset: Its first element.
        shape: As saved.
        stride: In elements, one for each axis.
    """

    kind: str
    storage: str = ""
    dtype: torch.dtype = torch.float32
    numel: int = 0
    offset: int = 0
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()


def as_tensor(value: Any) -> TensorEntry | None:
    """What a value of `read_pickle` says of itself as a tensor; None if it is none.

    Raises:
        BadInput: A tensor that reaches beyond its storage, or whose shape or storage is of no known kind.
    """
    while isinstance(value, Call) and value.name in _PARAMETERS and value.arguments:
        value = value.arguments[0]
    if not isinstance(value, Call):
        return None
    if value.name in _ODD_KINDS:
        return TensorEntry(_ODD_KINDS[value.name])
    if value.name not in _DENSE or len(value.arguments) < 4:
        return None
    reference, offset = value.arguments[:2]
    shape, stride = (_sizes(sizes) for sizes in value.arguments[2:4])
    storage, dtype, numel = _storage(reference)
    if shape is None or stride is None or len(shape) != len(stride) or not _is_size(offset):
        raise BadInput("a tensor whose shape is no shape")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if 0 not in shape and last >= numel:
        raise BadInput(f"a tensor {shape} that reaches beyond its storage of {numel} numbers")
    return TensorEntry("", storage, dtype, numel, offset, shape, stride)


def _storage(reference: Any) -> tuple[str, torch.dtype, int]:
    """Key, dtype and length from ``("storage", type, key, device, length)``; the older kind adds None."""
    fields = reference.key if isinstance(reference, Persistent) else None
    if (
        not isinstance(fields, tuple)
        or fields[:1] != ("storage",)
        or fields[5:] not in ((), (None,))
    ):
        raise BadInput("a tensor whose storage is of no known kind")
    kind, key, numel = (*fields[1:3], *fields[4:5], None, None, None)[:3]
    name = (
        kind.dotted.removeprefix("torch.").removesuffix("Storage") if isinstance(kind, Name) else ""
    )
    is_key = isinstance(key, str) and key.isascii() and key.isalnum() and len(key) <= 64
    if name not in _DTYPES or not is_key or not _is_size(numel):
        raise BadInput("a tensor whose storage is of no known kind")
    return key, _DTYPES[name], numel


def _sizes(value: Any) -> tuple[int, ...] | None:
    """Of a tuple or `torch.Size`, at most 8 axes; None if it is neither."""
    if isinstance(value, Call) and value.name == "torch.Size" and value.arguments:
        value = value.arguments[0]
    good = isinstance(value, tuple) and len(value) <= 8 and all(map(_is_size, value))
    return value if good else None


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
