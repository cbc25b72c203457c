"""Intervals by resampling whole fields of view: cells of one field share light, focus and stain.

A resample is a weight per field: how often it was drawn. Everything additive is then one matrix product for all
resamples at once. Row 0 of every result is the cells as they are, the other rows are the resamples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from phenostream.engine.types import I32, Bool
from phenostream.trainer.evaluation.schema.figure import Closed, Figure

F64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

LEAST_FIELDS: Final = 5
"""With fewer fields of view there is no interval: so few draws say nothing of the next field."""
TAIL: Final = 0.025
_LEAST_FINITE: Final = 0.9
"""Share of resamples that must have the figure at all."""
_CHUNK_NUMBERS: Final = 1 << 19
"""Weights per chunk that rank statistics are computed on: they stay in the cache of a core."""


class BootstrapSettings(Closed):
    """How intervals are made.

    Attributes:
        resamples: Draws of as many fields as there are, with replacement.
        seed: Of the draws.
    """

    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1_000
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


@dataclass(frozen=True, slots=True)
class Resamples:
    """N cells, and how often each of G fields is in each of R resamples.

    Attributes:
        place: (N,) the field of each cell, 0 to G - 1.
        weights: (R + 1, G), row 0 all ones.
    """

    place: Rows
    weights: F64

    @classmethod
    def of(cls, group: I32, settings: BootstrapSettings) -> "Resamples":
        """Draw the fields of cells with these groups (N,); the same for equal groups and settings."""
        names, place = np.unique(group, return_inverse=True)
        count = len(names)
        rng = np.random.default_rng(settings.seed)
        weights = np.ones((settings.resamples + 1, count))
        if count:
            weights[1:] = rng.multinomial(count, np.full(count, 1 / count), size=settings.resamples)
        return cls(place, weights)

    def __len__(self) -> int:
        return len(self.place)

    @property
    def fields(self) -> int:
        """Fields that these cells come from."""
        return len(np.unique(self.place))

    def select(self, chosen: Bool | Rows) -> "Resamples":
        """Some of the cells, with the same draws."""
        return replace(self, place=self.place[chosen])

    def beside(self, other: "Resamples") -> "Resamples":
        """These cells, then others of other fields, drawn apart."""
        place = np.concatenate([self.place, other.place + self.weights.shape[1]])
        return Resamples(place, np.concatenate([self.weights, other.weights], axis=1))

    def sums(self, *columns: npt.NDArray[np.generic]) -> list[F64]:
        """For each column (N,) its sum over the cells of every resample, (R + 1,)."""
        if not columns:
            return []
        count = self.weights.shape[1]
        by_field = np.stack(
            [
                np.bincount(self.place, weights=np.asarray(column, np.float64), minlength=count)
                for column in columns
            ],
            axis=1,
        )
        return list((self.weights @ by_field).T)

    def chunks(self) -> Iterator[F64]:
        """Weights of the cells, (r, N) for a few resamples at a time, in order."""
        step = rows_at_once(len(self))
        for start in range(0, len(self.weights), step):
            yield self.weights[start : start + step, self.place]

    def mean(self, column: npt.NDArray[np.generic]) -> Figure | None:
        """Mean of a column (N,); None of nothing."""
        if not len(self):
            return None
        total, count = self.sums(column, np.ones(len(self)))
        return self.figure(ratio(total, count))

    def share(self, true: Bool) -> Figure | None:
        """Share of True in (N,); None of nothing."""
        if not len(self):
            return None
        total, count = self.sums(true, np.ones(len(self)))
        return self.figure(ratio(total, count), share=True)

    def figure(self, values: F64, *, share: bool = False) -> Figure | None:
        """A number with its percentile interval.

        Args:
            values: (R + 1,), as everything here; NaN where a resample does not have the figure.
            share: It counts successes. All or none of them would get an interval without width, so the end inside is
                then the exact binomial one with every field counted as one draw.

        Returns:
            None where the cells themselves do not have it.
        """
        value, others = float(values[0]), values[1:]
        if not np.isfinite(value):
            return None
        finite = others[np.isfinite(others)]
        fields = self.fields
        if fields < LEAST_FIELDS or len(finite) < _LEAST_FINITE * len(others):
            return Figure(value=value, n=len(self))
        low, high = (float(end) for end in np.quantile(finite, [TAIL, 1 - TAIL]))
        if share and value == 1:
            low, high = min(low, TAIL ** (1 / fields)), 1.0
        if share and value == 0:
            low, high = 0.0, max(high, 1 - TAIL ** (1 / fields))
        return Figure(value=value, low=low, high=high, n=len(self))


def rows_at_once(cells: int) -> int:
    """Resamples whose weights for so many cells are held at a time."""
    return max(1, _CHUNK_NUMBERS // max(1, cells))


def ratio(numerator: F64, denominator: F64) -> F64:
    """Quotient, NaN where the denominator is not positive."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out
