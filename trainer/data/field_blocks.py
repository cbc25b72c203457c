"""Parting whole fields of view so that no two parts touch: neighbours share shading, focus, staining, even cells.

Each slide is cut across into as many stripes of fields as it has room for, and fields within a step of another part
are left out. Which way and in which order is chosen so that each part gets its share of every kind.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import I32

F64 = npt.NDArray[np.float64]
MARGIN: Final = -1
"""Instead of a part: the field stands too near to another part."""
_NEAR_STEPS: Final = 1.5
"""Fields less than so many steps apart, along both axes, are neighbours."""


@dataclass(frozen=True, slots=True)
class Fields:
    """F fields of view.

    Attributes:
        slide: (F,) int32.
        centre_um: (F, 2) float64, on the stage.
        counts: (F, kinds) float64, cells of each kind.
    """

    slide: I32
    centre_um: F64
    counts: F64


def blocks_of_fields(fields: Fields, shares: Sequence[float], seed: int) -> I32:
    """(F,) the part of each field, or `MARGIN`.

    A slide of twelve stripes or more has all four parts; of a smaller one margins would cost too much, so it has fewer,
    namely those that have least of what they should; but as many as are needed for every part to have some slide.

    Args:
        fields: Of all slides.
        shares: Of each part; the first is the largest.
        seed: Decides between cuts that are equally good.
    """
    rng = np.random.default_rng(seed)
    part = np.full(len(fields.slide), MARGIN, np.int32)
    goal = np.outer(shares, fields.counts.sum(axis=0))
    slides, sizes = np.unique(fields.slide, return_counts=True)
    for place, slide in enumerate(slides[np.argsort(-sizes, kind="stable")]):
        own = np.flatnonzero(fields.slide == slide)
        gathered = _gathered(fields.counts, part, len(shares))
        lacking = goal - gathered
        needy = np.argsort(-lacking.sum(axis=1) / goal.sum(axis=1), kind="stable")
        without = int((gathered.sum(axis=1) == 0).sum())
        needed = math.ceil(without / (len(slides) - place))
        cut = _Slide(fields.centre_um[own], fields.counts[own], lacking, needy, needed)
        part[own] = _cut_slide(cut, rng)
    return part


def step_um(centre_um: F64) -> float:
    """Distance (µm) of neighbouring fields of one slide: the median over fields to the nearest; 0 for one field."""
    if len(centre_um) < 2:
        return 0.0
    apart = _chebyshev(centre_um, centre_um)
    np.fill_diagonal(apart, np.inf)
    return float(np.median(apart.min(axis=1)))


@dataclass(frozen=True, slots=True)
class _Slide:
    """F fields of one slide, and what the parts still lack: (parts, kinds) cells, and which lack most, first."""

    centre_um: F64
    counts: F64
    lacking: F64
    needy: npt.NDArray[np.intp]
    needed: int

    def room(self, stripes: int) -> int:
        """Parts to cut into so many stripes: one for each four, those needed, and never more than can stand apart."""
        return min(max(stripes // 4 + 1, self.needed), (stripes + 1) // 2, len(self.needy))


def _cut_slide(slide: _Slide, rng: np.random.Generator) -> I32:
    """(F,) the best of all ways to cut one slide among the parts that come first in `needy`."""
    step = step_um(slide.centre_um)
    cells, size = slide.counts.sum(axis=1), slide.lacking.sum(axis=1).clip(min=1e-9)
    best, least = np.full(len(cells), slide.needy[0], np.int32), np.inf
    for axis in rng.permutation(2):
        along = slide.centre_um[:, axis] - slide.centre_um[:, axis].min()
        stripe = np.round(along / (step or 1)).astype(int)
        room = slide.room(len(np.unique(stripe)))
        orders = list(itertools.permutations(slide.needy[:room].tolist()))
        for place in rng.permutation(len(orders)):
            part = _stripes(stripe, cells, orders[place], size)
            part = _with_margin(part, slide.centre_um, cells, step)
            cost = _cost(_gathered(slide.counts, part, len(size)), slide.lacking)
            if cost < least:
                best, least = part, cost
    return best


def _stripes(stripe: npt.NDArray[np.int_], cells: F64, order: Sequence[int], size: F64) -> I32:
    """(F,) parts laid in this order over the stripes, each as wide as its share of the cells, one stripe at least."""
    numbers = np.unique(stripe)
    weight = np.array([cells[stripe == number].sum() for number in numbers])
    wanted = np.cumsum(size[list(order)]) / size[list(order)].sum() * weight.sum()
    ends = np.searchsorted(np.cumsum(weight), wanted[:-1] - 1e-9) + 1
    for place in range(
        len(ends)
    ):  # one stripe for each, and one that the margin takes between each two
        ends[place] = min(
            max(ends[place], 2 * place + 2), len(numbers) - 2 * (len(ends) - place) + 1
        )
    place_of = np.searchsorted(ends, np.arange(len(numbers)), side="right")
    chosen = np.asarray(order, np.int32)[place_of]
    result: I32 = chosen[np.searchsorted(numbers, stripe)]
    return result


def _with_margin(part: I32, centre_um: F64, cells: F64, step: float) -> I32:
    """Without the fields near another part: of each two such fields, the one of the part with more cells goes."""
    out = part.copy()
    names = np.unique(part)
    total = {name: cells[part == name].sum() for name in names}
    for small, large in itertools.permutations(names, 2):
        if (total[small], small) >= (total[large], large):
            continue
        ours, theirs = np.flatnonzero(out == small), np.flatnonzero(out == large)
        near = _chebyshev(centre_um[theirs], centre_um[ours]) < _NEAR_STEPS * step
        out[theirs[near.any(axis=1)]] = MARGIN
    return out


def _cost(gathered: F64, lacking: F64) -> float:
    """How far the parts are from what they lack, as shares of each kind; a kind that a part has none of weighs most."""
    scale = np.maximum(lacking.clip(min=0).sum(axis=0), 1)
    none = (gathered == 0) & (lacking > 0)
    return float((((lacking - gathered) / scale) ** 2).sum() + none.sum())


def _gathered(counts: F64, part: I32, parts: int) -> F64:
    """(parts, kinds) cells."""
    return np.stack([counts[part == index].sum(axis=0) for index in range(parts)])


def _chebyshev(a: F64, b: F64) -> F64:
    apart: F64 = np.abs(a[:, None, :] - b[None, :, :]).max(axis=2)
    return apart
