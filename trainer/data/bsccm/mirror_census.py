"""Who is in a synthetic mirror of BSCCM: condition, batch, slide, field, place, kind and gates of every cell.

The shares are chosen so that every case of the layout occurs even among 60 cells: all ten stainings in both batches,
two slides, several fields, gates that agree and gates that do not, cells without a gate. Knows numbers, not cells: what
a cell looks like and how much of a protein it carries is the business of `mirror_cells`.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import CLASSES, I32, Bool
from phenostream.trainer.data.bsccm.layout import ANTIBODIES, GATES, RED, UNKNOWN

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

LEAST_CELLS: Final = 60
WHITE_MIX: Final = (0.30, 0.55, 0.15)
"""Lymphocytes, granulocytes and monocytes: enough of the rarest to judge a class among some thousand cells."""
PITCH_UM: Final = 320.0
"""Step of the stage between fields (SPEC f.1)."""
IN_FIELD_PX: Final = (344.0, 1722.0)
"""Where in a field cells were taken (SPEC f.1): fields never overlap."""
APART_PX: Final = 60.0
_SINGLE_SHARE: Final = {"CD45": 0.03, "CD16": 0.03}
_SLIDE_SHARE: Final = (0.6, 0.4)
"""Cells of the labelled table on its two slides."""
_GATED: Final = {"white": 0.80, "red": 0.08, "unknown": 0.04, "ungated": 0.08}
_OFF_KINDS: Final = (("white", 0.70), ("red", 0.25), ("debris", 0.05))
_MISLABELLED: Final = 0.02
"""White cells that were gated as another class."""
_DEBRIS: Final = "debris"


@dataclass(frozen=True, slots=True)
class Census:
    """N cells, in order of their number.

    Attributes:
        global_index: (N,) ascending, with gaps, as in a part of a larger set.
        condition: (N,) index in `ANTIBODIES`.
        batch: (N,) 0 or 1.
        replicate: (N,) number of the slide within its condition and batch.
        field_um: (N, 2) y and x of the field's centre.
        field: (N,) number of the field within its slide.
        in_field_px: (N, 2) y and x of the cell in its field.
        kind: (N,) what was simulated, a name of `engine.optics.cells.KINDS`.
        gates: (N, 10) bool.
    """

    global_index: I64
    condition: I32
    batch: I32
    replicate: I32
    field_um: F64
    field: I32
    in_field_px: F64
    kind: npt.NDArray[np.str_]
    gates: Bool

    def __len__(self) -> int:
        return len(self.global_index)

    def data_path(self, row: int) -> str:
        """Folder of a cell's arrays, and so the name of its slide."""
        antibodies = ANTIBODIES[self.condition[row]]
        return (
            f"antibodies_{antibodies}/batch_{self.batch[row]}/slide_replicate_{self.replicate[row]}"
        )


def take_census(cells: int, rng: np.random.Generator) -> Census:
    """Decide who is in a mirror of so many cells (at least 60)."""
    tables = _tables(cells)
    condition = np.concatenate([np.full(n, c) for (c, _), n in tables.items()])
    batch = np.concatenate([np.full(n, b) for (_, b), n in tables.items()])
    labelled = (condition == 0) & (batch == 0)
    kind = np.where(labelled, "", _drawn(rng, _OFF_KINDS, cells)).astype("<U16")
    gates = np.zeros((cells, len(GATES)), np.bool_)
    rows = rng.permutation(np.flatnonzero(labelled))
    kind[rows], gates[rows] = _labelled(rng, len(rows))
    white = kind == "white"
    kind[white] = rng.choice(CLASSES, int(white.sum()), p=WHITE_MIX)
    replicate = np.zeros(cells, np.int32)
    replicate[labelled] = rng.choice(2, int(labelled.sum()), p=_SLIDE_SHARE)
    order = rng.permutation(cells)  # numbers say nothing about the table
    condition, batch, replicate = condition[order], batch[order], replicate[order]
    slides = np.unique(np.stack([condition, batch, replicate]), axis=1, return_inverse=True)[1]
    field, field_um, in_field_px = _places(slides.reshape(-1), rng)
    return Census(
        global_index=np.sort(rng.choice(8 * cells, cells, replace=False)).astype(np.int64),
        condition=condition.astype(np.int32),
        batch=batch.astype(np.int32),
        replicate=replicate,
        field_um=field_um,
        field=field,
        in_field_px=in_field_px,
        kind=kind[order],
        gates=gates[order],
    )


def _tables(cells: int) -> dict[tuple[int, int], int]:
    """Cells of each (condition, batch); what is left goes to the labelled table."""
    counts = {}
    for number, name in enumerate(ANTIBODIES[1:], start=1):
        counts[number, 0] = max(2, round(_SINGLE_SHARE.get(name, 0.01) * cells))
        counts[number, 1] = max(1, round(0.004 * cells))
    counts[0, 1] = max(3, round(0.06 * cells))
    counts[0, 0] = cells - sum(counts.values())
    return counts


def _drawn(
    rng: np.random.Generator, shares: tuple[tuple[str, float], ...], count: int
) -> npt.NDArray[np.str_]:
    names, weights = zip(*shares, strict=True)
    return rng.choice(names, count, p=weights)


def _labelled(rng: np.random.Generator, count: int) -> tuple[npt.NDArray[np.str_], Bool]:
    """Kinds and gates of the one table that has labels: white, red, unknown, then ungated cells."""
    few = {name: max(2, round(share * count)) for name, share in _GATED.items()}
    white = count - sum(few[name] for name in ("red", "unknown", "ungated"))
    of_class = np.array([round(white * share) for share in WHITE_MIX])
    of_class[1] += white - of_class.sum()
    group = np.concatenate(
        [
            np.repeat(np.arange(3), of_class),
            np.full(few["red"], RED),
            np.full(few["unknown"], UNKNOWN),
        ]
    )
    ungated = rng.choice(["white", "red", _DEBRIS], few["ungated"], p=[0.4, 0.3, 0.3])
    named = np.array([*CLASSES, "red", "white"])[group]
    kind = np.concatenate([named, ungated]).astype("<U16")
    gates = np.zeros((count, len(GATES)), np.bool_)
    wrong = rng.permutation(white)[: round(_MISLABELLED * white)]
    shown = group.copy()
    shown[wrong] = (shown[wrong] + rng.integers(1, 3, len(wrong))) % 3
    for row, number in enumerate(shown):
        choice = [place for place, gate in enumerate(GATES) if gate.group == number]
        gates[row, rng.choice(choice)] = True
    _overlap(gates, shown)
    return kind, gates


def _overlap(gates: Bool, group: I64) -> None:
    """Gates that overlap: within a class, of two classes, and of a class and unknown cells."""
    lymphocytes, granulocytes = (np.flatnonzero(group == number) for number in (0, 1))
    same = granulocytes[: max(1, round(0.01 * len(granulocytes)))]
    gates[same] = False
    gates[same[:, None], np.array([1, 2])] = True
    some = max(1, round(0.01 * len(lymphocytes)))
    gates[lymphocytes[:some], len(GATES) - 3] = True
    gates[lymphocytes[some : 2 * some], [gate.group for gate in GATES].index(UNKNOWN)] = True


def _places(slides: I64, rng: np.random.Generator) -> tuple[I32, F64, F64]:
    """Fields on a grid as square as can be, and cells apart from each other in them."""
    field = np.zeros(len(slides), np.int32)
    field_um = np.zeros((len(slides), 2))
    in_field_px = np.zeros((len(slides), 2))
    for slide in np.unique(slides):
        rows = np.flatnonzero(slides == slide)
        number = max(1, round(len(rows) / (16 if len(rows) >= 200 else 4)))
        across = ceil(sqrt(number))
        field[rows] = rng.permutation(np.arange(len(rows)) % number)
        origin = np.round(rng.uniform(-4000, 4000, 2), 1)
        grid = np.stack(np.divmod(field[rows], across), axis=1)
        field_um[rows] = origin + PITCH_UM * grid
        for one in range(number):
            inside = rows[field[rows] == one]
            in_field_px[inside] = _scattered(len(inside), rng)
    return field, field_um, in_field_px


def _scattered(count: int, rng: np.random.Generator) -> F64:
    """(count, 2) places at least `APART_PX` from each other, to a tenth of a pixel."""
    placed = np.zeros((0, 2))
    while len(placed) < count:
        place = np.round(rng.uniform(*IN_FIELD_PX, 2), 1)
        if not len(placed) or np.hypot(*(placed - place).T).min() >= APART_PX:
            placed = np.concatenate([placed, place[None]])
    return placed
