"""The ONNX operators a bundle's graph uses, as torch functions (operator set 20).

Every function takes its inputs by position and its attributes by name. An integer tensor (a shape, axes, bounds of a
slice) is a tuple of Python numbers here, so that nothing on the device is ever read back to learn a shape.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

Ints = tuple[int, ...]

FLOAT32, BFLOAT16 = 1, 16
DTYPES: Final = {
    FLOAT32: torch.float32,
    10: torch.float16,
    BFLOAT16: torch.bfloat16,
    11: torch.float64,
}
"""Element types of ONNX that a graph may compute in."""


def cast_to(x: Tensor, *, to: int) -> Tensor:
    """Cast."""
    return x.to(DTYPES[to])


def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Clip, to bounds that are scalars on the device."""
    return torch.clamp(x, low, high)


def concat(*parts: Tensor | Ints, axis: int) -> Tensor | Ints:
    """Concat, of tensors or of shapes."""
    if isinstance(parts[0], tuple):
        return tuple(length for part in parts for length in part)
    return torch.cat(parts, dim=axis)  # type: ignore[arg-type]  # all are tensors


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int,
    **_shape: object,
) -> Tensor:
    """Conv in one or two dimensions, padded alike at both ends."""
    run = functional.conv1d if x.dim() == 3 else functional.conv2d
    before = list(pads[: len(pads) // 2])
    out: Tensor = run(x, weight, bias, list(strides), before, list(dilations), group)
    return out


def expand(x: Tensor, shape: Ints) -> Tensor:
    """Expand; a length of 1 keeps the tensor's own."""
    lengths: torch.Size = torch.broadcast_shapes(x.shape, shape)  # type: ignore[no-untyped-call]  # torch's
    return x.expand(lengths)


def gather(x: Tensor, index: int | Ints, *, axis: int) -> Tensor:
    """Gather, of one place along an axis."""
    return x.select(axis, index if isinstance(index, int) else index[0])


def gelu(x: Tensor, *, approximate: str) -> Tensor:
    """Gelu."""
    return functional.gelu(x, approximate=approximate)


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float,
    beta: float,
    transA: int,  # noqa: N803  # the attribute's name
    transB: int,  # noqa: N803
) -> Tensor:
    """Gemm; the usual case is a linear layer."""
    if alpha == beta == 1.0 and not transA and transB:
        return functional.linear(a, b, c)
    product = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return product if c is None else product + beta * c


def layer_normalization(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, axis: int, epsilon: float, **_: object
) -> Tensor:
    """LayerNormalization; sums are float32 whatever the tensor's type."""
    return functional.layer_norm(x, x.shape[axis:], weight, bias, epsilon)


def reduce_mean(x: Tensor, axes: Ints, *, keepdims: int, **_: object) -> Tensor:
    """ReduceMean."""
    return x.mean(dim=axes, keepdim=bool(keepdims))


def reduce_min(x: Tensor, axes: Ints, *, keepdims: int, **_: object) -> Tensor:
    """ReduceMin."""
    return x.amin(dim=axes, keepdim=bool(keepdims))


def reshape(x: Tensor, shape: Ints, **_: object) -> Tensor:
    """Reshape, to lengths of which one may be -1."""
    return x.reshape(shape)


def shape_of(x: Tensor, *, start: int = 0, end: int | None = None) -> Ints:
    """Shape."""
    return tuple(x.shape[start:end])


def slice_of(x: Tensor, starts: Ints, ends: Ints, axes: Ints, steps: Ints | None = None) -> Tensor:
    """Slice, forwards."""
    index: list[slice] = [slice(None)] * x.dim()
    for start, end, axis, step in zip(starts, ends, axes, steps or (1,) * len(axes), strict=True):
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


def softmax(x: Tensor, *, axis: int) -> Tensor:
    """Softmax."""
    return torch.softmax(x, dim=axis)


def squeeze(x: Tensor, axes: Ints) -> Tensor:
    """Squeeze."""
    return x.squeeze(axes)


def transpose(x: Tensor, *, perm: Sequence[int]) -> Tensor:
    """Transpose."""
    return x.permute(*perm)


def unsqueeze(x: Tensor, axes: Ints) -> Tensor:
    """Unsqueeze; axes count in the result."""
    for axis in sorted(axes):
        x = x.unsqueeze(axis)
    return x


OPERATORS: Final[dict[str, Callable[..., Any]]] = {
    "Add": torch.add,
    "Cast": cast_to,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "Div": torch.div,
    "Exp": torch.exp,
    "Expand": expand,
    "Gather": gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "LayerNormalization": layer_normalization,
    "MatMul": torch.matmul,
    "Mul": torch.mul,
    "Pow": torch.pow,
    "ReduceMean": reduce_mean,
    "ReduceMin": reduce_min,
    "Reshape": reshape,
    "Shape": shape_of,
    "Sigmoid": torch.sigmoid,
    "Slice": slice_of,
    "Softmax": softmax,
    "Sqrt": torch.sqrt,
    "Squeeze": squeeze,
    "Sub": torch.sub,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
"""Every operator that is understood; a graph with another is refused by name."""
