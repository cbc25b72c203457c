"""Which crops of a batch spoil it: found by smaller and smaller calls, within a bounded number of them.

A crop whose outputs are not finite is inferred once more, alone. A crop that makes the whole call fail is found by
halving. What still fails alone, or was not reached within the bound, gets NaN in every output; its neighbours get their
numbers. Pure: the call is an argument.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.backends.checked import PoisonedRows
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

MOST_CALLS: Final = 64
"""Finds any crops in a batch of 32, the default, whichever they are: 2 x 32 - 2 calls; and five in one of 256."""

Infer = Callable[[F32, F32], Outputs]
Rows = npt.NDArray[np.intp]


def isolate(
    infer: Infer,
    images: F32,
    background: F32,
    fault: EngineFault,
    most_calls: int = MOST_CALLS,
) -> Outputs:
    """Infer what can be inferred of a batch that has failed.

    Args:
        infer: The backend's call; anything but an `EngineFault` it raises is passed on.
        images: (N, 4, 28, 28) float32, 1 <= N.
        background: (N, 4) float32.
        fault: What the call with the whole batch raised.
        most_calls: Calls that may be made.

    Returns:
        N rows: those of the crops that can be inferred, and NaN for the others.
    """
    outputs = _nothing(len(images))
    everything: Rows = np.arange(len(images))
    waiting = deque(_smaller(everything, fault, outputs))
    for _ in range(most_calls):
        if not waiting:
            break
        rows = waiting.popleft()
        try:
            _put(outputs, rows, infer(images[rows], background[rows]))
        except EngineFault as err:
            waiting.extend(_smaller(rows, err, outputs))
    return outputs


def _smaller(rows: Rows, fault: EngineFault, outputs: Outputs) -> list[Rows]:
    """What to try after a call failed; rows that were sound in it are taken."""
    if isinstance(fault, PoisonedRows) and fault.finite.any():
        _put(outputs, rows[fault.finite], fault.outputs.take(fault.finite))
        return [rows[i : i + 1] for i in np.flatnonzero(~fault.finite)]
    if len(rows) == 1:
        return []
    middle = len(rows) // 2
    return [rows[:middle], rows[middle:]]


def _put(outputs: Outputs, rows: Rows, found: Outputs) -> None:
    for name in OUTPUT_SHAPES:
        getattr(outputs, name)[rows] = getattr(found, name)


def _nothing(count: int) -> Outputs:
    return Outputs(
        *(np.full((count, *shape), np.nan, np.float32) for shape in OUTPUT_SHAPES.values())
    )
