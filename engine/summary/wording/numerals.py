"""How a language writes numbers: what is rounded, and to what, is the same in all of them.

Shares to a tenth of a per cent, or as finely as two of them need to differ; marker values to three digits, from a
thousand on to one; a p below 0.001 as that.
"""

from dataclasses import dataclass
from typing import Final

_SMALLEST_P: Final = 0.001
_EVEN: Final = 0.5
_WHOLE: Final = 999.5
"""From here on a value has four digits once it is rounded."""
_FINEST: Final = 6
"""Decimals of a per cent beyond which two shares may look alike."""


@dataclass(frozen=True, slots=True)
class Numerals:
    """The marks of a language.

    Attributes:
        thousands: Between groups of three digits.
        point: Before the decimals.
        below: The word before a bound that a number stays under.
    """

    thousands: str
    point: str
    below: str

    def count(self, number: int) -> str:
        """``12,345``."""
        return self._marked(f"{number:,}")

    def percent(self, share: float) -> str:
        """``64.9 %``."""
        return f"{self._marked(f'{100 * share:.1f}')} %"

    def percents(self, one: float, other: float) -> tuple[str, str]:
        """Two shares, as finely as it needs to see that they differ."""
        for decimals in range(1, _FINEST):
            told = [f"{100 * share:.{decimals}f}" for share in (one, other)]
            if one == other or told[0] != told[1]:
                break
        first, second = (f"{self._marked(text)} %" for text in told)
        return first, second

    def points(self, difference: float) -> str:
        """A difference of shares in percentage points, without the word."""
        return self._marked(f"{100 * difference:.1f}")

    def nominal(self, share: float) -> str:
        """A share that a person chose: ``90 %``."""
        return f"{self._marked(f'{100 * share:g}')} %"

    def value(self, value: float) -> str:
        """A marker's."""
        return self._marked(f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.3g}")

    def rank(self, percentile: float) -> str:
        """A percentile."""
        return self._marked(f"{percentile:.1f}")

    def superiority(self, probability: float) -> str:
        """A probability, to two decimals, or as finely as it needs to differ from a half."""
        for decimals in range(2, _FINEST):
            told = f"{probability:.{decimals}f}"
            if probability == _EVEN or float(told) != _EVEN:
                break
        return self._marked(told)

    def p(self, p: float) -> str:
        """``0.012``, ``below 0.001``."""
        if p < _SMALLEST_P:
            return f"{self.below} {self._marked(f'{_SMALLEST_P:g}')}"
        return self._marked(f"{p:.3f}")

    def seconds(self, seconds: float) -> str:
        """``12.3 s``."""
        return f"{self._marked(f'{seconds:,.1f}')} s"

    def _marked(self, text: str) -> str:
        return text.translate({ord(","): self.thousands, ord("."): self.point})
