"""What gates and marker levels mean: a cell's kind, which targets may be used, and which lie at their column's floor.

Knows SPEC a.5 and a.6; arrays in, arrays out. A gate is a selection drawn by hand on the same marker levels that are
the targets, so class and markers are one measurement. Nothing forbids that gates overlap.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import I32, MARKERS, Bool
from phenostream.trainer.data.bsccm.layout import ANTIBODIES, GATES, GROUPS, IN_TUBE, UNKNOWN

F64 = npt.NDArray[np.float64]
NO_KIND: Final = -1
_GROUP_OF_GATE: Final = np.array([gate.group for gate in GATES])
_TAUGHT: Final = np.array([IN_TUBE[name] for name in ANTIBODIES])
"""(10, 4): which markers a condition can teach."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What the gates say of N cells.

    Attributes:
        kind: (N,) int32, 0 to 2 a class, 3 a red cell, -1 for unknown, ungated and conflicting cells.
        conflict: (N,) bool, in gates of two different kinds, whatever gates of unknown cells say.
        groups: (N, 5) bool, in a gate of that group, order `GROUPS`.
    """

    kind: I32
    conflict: Bool
    groups: Bool


def kinds_of(gates: Bool) -> Kinds:
    """The one kind of every cell, or none.

    Args:
        gates: (N, 10) bool, order `GATES`.
    """
    groups = np.stack(
        [gates[:, group == _GROUP_OF_GATE].any(axis=1) for group in range(len(GROUPS))], axis=1
    )
    certain = groups[:, :UNKNOWN]
    number = certain.sum(axis=1)
    kind = np.where(number == 1, certain.argmax(axis=1), NO_KIND).astype(np.int32)
    return Kinds(kind, number > 1, groups)


def usable_markers(markers: F64, condition: I32) -> Bool:
    """(N, 4) targets that may be used: the antibody was in the tube, and the value is finite.

    Args:
        markers: (N, 4), NaN where absent.
        condition: (N,) index in `ANTIBODIES`.
    """
    usable: Bool = antibody_in_tube(condition) & np.isfinite(markers)
    return usable


def antibody_in_tube(condition: I32) -> Bool:
    """(N, 4) markers that cells of a condition can teach, whether they have a value or not."""
    taught: Bool = _TAUGHT[condition]
    return taught


def at_floor(markers: F64, condition: I32, batch: I32) -> Bool:
    """(N, 4) values at the lowest level of their column in their condition and batch, if cells share that level.

    The low tail was raised to one value separately for each of those tables, so that a floor is a point mass: a
    smallest value that only one cell has is no floor. Needs all cells of a table, not a selection.
    """
    result = np.zeros(markers.shape, np.bool_)
    table = condition.astype(np.int64) * 2 + batch
    for number in np.unique(table):
        rows = np.flatnonzero(table == number)
        for marker in range(len(MARKERS)):
            values = markers[rows, marker]
            finite = values[np.isfinite(values)]
            if len(finite):
                lowest = values == finite.min()
                result[rows, marker] = lowest & (lowest.sum() > 1)
    return result
