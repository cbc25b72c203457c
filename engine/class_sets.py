"""Which classes of a cell cannot be excluded: the sets that go with class probabilities.

A class is in the set of a cell if its probability reaches the class's threshold, and the most probable class always is:
a set is never empty. A set is told as one byte, bit i = class i. Pure.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import U8, Bool


def class_members(probability: npt.NDArray[np.floating], threshold: Sequence[float]) -> Bool:
    """(N, C) whether each class is in the set of each cell.

    Args:
        probability: (N, C), calibrated; N may be 0.
        threshold: Of each class.
    """
    members: Bool = probability.astype(np.float32, copy=False) >= np.array(threshold, np.float32)
    members[np.arange(len(members)), probability.argmax(axis=1)] = True
    return members


def class_bits(members: Bool) -> U8:
    """(N,) uint8 of (N, C): bit i is set where class i is in the set; at most 8 classes."""
    bits = np.packbits(members, axis=1, bitorder="little")[:, 0]
    return np.ascontiguousarray(bits)


def classes_of(bits: int, classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes in one set."""
    return tuple(name for index, name in enumerate(classes) if bits >> index & 1)
