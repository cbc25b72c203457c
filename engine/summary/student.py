"""The tails of Student's t distribution: numpy has none, and scipy is no dependency.

The two tails beyond t are a regularised incomplete beta function (Abramowitz and Stegun 1964, 26.7.1), which is summed
as its continued fraction (26.5.8) by the method of Lentz (Applied Optics 15, 1976, 668-671). Right to eight digits.
"""

from math import exp, inf, lgamma, log
from typing import Final

MOST_FREEDOM: Final = 1e6
"""Degrees of freedom beyond are taken as these: the tails become no thinner that anyone could tell."""
_TERMS: Final = 10_000
"""A million degrees of freedom take 700 or so."""
_TINY: Final = 1e-300


def tails(t: float, freedom: float) -> float:
    """Probability that Student's t lies further from 0 than this, on either side.

    Args:
        t: Not NaN.
        freedom: Degrees of freedom, above 0; need not be whole.
    """
    if abs(t) == inf:
        return 0.0
    freedom = min(freedom, MOST_FREEDOM)
    square = t * t
    return _beta(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square))


def _beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function at x = 1 - rest, which the caller knows better than their difference."""
    if x <= 0.0 or rest <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(rest))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(a, b, x) / a)
    return max(0.0, 1.0 - front * _fraction(b, a, rest) / b)


def _fraction(a: float, b: float, x: float) -> float:
    """1 / (1 + d1 / (1 + d2 / ...)), from the front, until a term changes nothing."""
    ratio, other = 1.0, _inverse(1.0 - (a + b) * x / (a + 1))
    total = other
    for m in range(1, _TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            other = _inverse(1.0 + numerator * other)
            ratio = 1.0 + numerator / (ratio or _TINY)
            factor = ratio * other
            total *= factor
        if abs(factor - 1.0) < 1e-15:
            break
    return total


def _inverse(value: float) -> float:
    return 1.0 / (value or _TINY)
