"""Where the tensors of one batch lie in one buffer, so that a batch takes one copy in and one copy out.

Every tensor begins at a multiple of `ALIGNMENT`. The widest comes last: what a short batch needs of the buffer is then
its beginning, and the padding behind it is not copied.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.engine.backends.tensorrt.gpu import ALIGNMENT
from phenostream.engine.types import U8


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output of a graph.

    Attributes:
        name: As the graph has it.
        shape: After the batch axis.
        dtype: float32 or float16, as the runtime reads or writes it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Bytes of one crop's part."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Layout:
    """Tensors of a batch of a fixed size in one buffer.

    Attributes:
        rows: Crops.
        tensors: In the order in which they lie.
        offsets: Of each, by name, bytes.
        nbytes: Length of the whole.
    """

    rows: int
    tensors: tuple[Tensor, ...]
    offsets: Mapping[str, int]
    nbytes: int

    def used(self, count: int) -> int:
        """How many bytes, from the first on, hold all that `count` crops have in the buffer."""
        last = self.tensors[-1]
        return self.offsets[last.name] + count * last.row_bytes

    def views(self, buffer: U8) -> dict[str, npt.NDArray[Any]]:
        """Each tensor as a (rows, ...) view of a buffer."""
        return {
            tensor.name: buffer[self.offsets[tensor.name] :][: self.rows * tensor.row_bytes]
            .view(tensor.dtype)
            .reshape(self.rows, *tensor.shape)
            for tensor in self.tensors
        }


def laid_out(tensors: Sequence[Tensor], rows: int) -> Layout:
    """The layout for batches of `rows` crops."""
    ordered = tuple(sorted(tensors, key=lambda tensor: tensor.row_bytes))
    offsets, end = {}, 0
    for tensor in ordered:
        offsets[tensor.name] = end
        end += _aligned(rows * tensor.row_bytes)
    return Layout(rows, ordered, offsets, end)


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
