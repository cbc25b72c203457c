"""Agreement of a prediction with a target, for every resample at once, from sums of products.

Every function returns (R + 1,) as `bootstrap` has it; NaN where a side has no spread.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from phenostream.trainer.evaluation.figures.bootstrap import F64, Resamples, ratio

_NO_SPREAD: Final = 1e-12
"""A variance below this share of the mean square is rounding."""


@dataclass(frozen=True, slots=True)
class PairSums:
    """Sums over N pairs (x predicted, y measured) per resample, around one centre.

    Attributes:
        n: Pairs.
        x: Sum of x.
        y: Sum of y.
        xx: Sum of squares of x.
        yy: Sum of squares of y.
        xy: Sum of products.
    """

    n: F64
    x: F64
    y: F64
    xx: F64
    yy: F64
    xy: F64

    @classmethod
    def of(cls, resamples: Resamples, predicted: F64, measured: F64) -> "PairSums":
        """Of (N,) and (N,)."""
        centre = measured.mean() if len(measured) else 0.0
        x, y = predicted - centre, measured - centre
        return cls(*resamples.sums(np.ones(len(x)), x, y, x * x, y * y, x * y))

    @property
    def spread_x(self) -> F64:
        """Sum of squares of x around its mean; 0 where that is rounding."""
        return _spread(self.n, self.x, self.xx)

    @property
    def spread_y(self) -> F64:
        """Sum of squares of y around its mean."""
        return _spread(self.n, self.y, self.yy)

    @property
    def common(self) -> F64:
        """Sum of products around both means."""
        return self.xy - ratio(self.x * self.y, self.n)

    @property
    def residual(self) -> F64:
        """Sum of squares of x - y."""
        return np.maximum(self.xx - 2 * self.xy + self.yy, 0)


def pearson(sums: PairSums) -> F64:
    """Correlation."""
    return _correlation(sums.common, sums.spread_x, sums.spread_y)


def partial(parts: list[PairSums]) -> F64:
    """Correlation left when each part's own means are taken out of both sides: given the class."""
    common = np.sum([_zero_of_nothing(part.common) for part in parts], axis=0)
    spread_x = np.sum([part.spread_x for part in parts], axis=0)
    spread_y = np.sum([part.spread_y for part in parts], axis=0)
    return _correlation(common, spread_x, spread_y)


def r_squared(sums: PairSums) -> F64:
    """1 - residual over the spread of the measured; no fit, so it may be negative."""
    return 1 - ratio(sums.residual, sums.spread_y)


def rmse(sums: PairSums) -> F64:
    """Root mean square difference."""
    return np.sqrt(ratio(sums.residual, sums.n))


def concordance(sums: PairSums) -> F64:
    """Lin's coefficient: agreement with the line of identity, population moments."""
    apart = ratio(sums.x - sums.y, sums.n)
    return ratio(2 * sums.common, sums.spread_x + sums.spread_y + sums.n * apart**2)


def _correlation(common: F64, spread_x: F64, spread_y: F64) -> F64:
    """In -1 to 1, so that rounding never gives more."""
    return np.clip(ratio(common, np.sqrt(spread_x * spread_y)), -1, 1)


def _spread(n: F64, total: F64, squares: F64) -> F64:
    spread = squares - _zero_of_nothing(ratio(total**2, n))
    return np.where(spread > _NO_SPREAD * squares, spread, 0.0)


def _zero_of_nothing(values: F64) -> F64:
    """A resample without any of a part's cells adds nothing."""
    return np.nan_to_num(values, nan=0.0)
