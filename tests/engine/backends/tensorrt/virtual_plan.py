"""What a plan is in these tests: a few facts that can be written down and read back."""

import enum
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from phenostream.engine.types import OUTPUT_SHAPES

INPUTS = {"images": (4, 28, 28), "background": (4,)}


class DataType(enum.Enum):
    FLOAT = "float32"
    HALF = "float16"
    BF16 = "bfloat16"


@dataclass
class VirtualPlan:
    """Facts of a plan; `content` is what a cache would keep.

    Attributes:
        profiles: Least, best and most crops of each.
        shapes: After the batch axis, where it is not the graph's; None: the tensor is not there.
        dtypes: Where it is not float32.
        on_host: Tensors in host memory.
        capturable: What RTX says of itself.
    """

    profiles: tuple[tuple[int, int, int], ...]
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    on_host: tuple[str, ...] = ()
    capturable: bool = True

    @property
    def content(self) -> bytes:
        return b"virtual plan " + json.dumps(asdict(self)).encode()

    @staticmethod
    def of(content: bytes) -> "VirtualPlan | None":
        try:
            facts = json.loads(content.removeprefix(b"virtual plan "))
        except ValueError:
            return None
        facts["profiles"] = tuple(map(tuple, facts["profiles"]))
        facts["shapes"] = {
            name: None if shape is None else tuple(shape) for name, shape in facts["shapes"].items()
        }
        return VirtualPlan(**facts)

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shapes after the batch axis; outputs first and backwards, for nothing may count on an order."""
        known = {**dict(reversed(list(OUTPUT_SHAPES.items()))), **INPUTS, **self.shapes}
        return {name: shape for name, shape in known.items() if shape is not None}

    def dtype(self, name: str) -> DataType:
        return DataType[self.dtypes.get(name, "FLOAT")]

    def numpy_dtype(self, name: str) -> np.dtype[Any]:
        return np.dtype(self.dtype(name).value)
