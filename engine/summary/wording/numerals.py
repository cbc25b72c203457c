"""How a language writes numbers: what is rounded, and to what, is the same in all of them.

Shares to a tenth of a per cent, or as finely as two of them need to differ, or one from nothing, a half and all; marker
values to three digits, from a thousand on to one; a p below 0.001 as that; a time below 0.1 s likewise.
"""

from dataclasses import dataclass
from typing import Final

_SMALLEST_P: Final = 0.001
_SHORTEST_S: Final = 0.1
_WHOLE: Final = 999.5
"""From here on a value has four digits once it is rounded."""
_FINEST: Final = 6
"""Decimals beyond which two numbers may look alike."""


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
        """``64.9 %``; never a whole, a half or nothing of what is none."""
        return f"{self._marked(_apart(100 * share, 1, (0, 50, 100)))} %"

    def percents(self, one: float, other: float) -> tuple[str, str]:
        """Two shares, as finely as it needs to see that they differ."""
        for decimals in range(1, _FINEST):
            told = [f"{100 * share:.{decimals}f}" for share in (one, other)]
            seen = one == other or told[0] != told[1]
            if seen and not any(map(_is_mistaken, (100 * one, 100 * other), told)):
                break
        first, second = (f"{self._marked(text)} %" for text in told)
        return first, second

    def points(self, difference: float) -> str:
        """A difference of shares in percentage points, without the word."""
        return self._marked(_apart(100 * difference, 1, (0,)))

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
        """A probability, to two decimals, or as finely as it needs to differ from a half, from 0 and from 1."""
        return self._marked(_apart(probability, 2, (0, 0.5, 1)))

    def p(self, p: float) -> str:
        """``0.012``, ``below 0.001``."""
        if p < _SMALLEST_P:
            return f"{self.below} {self._marked(f'{_SMALLEST_P:g}')}"
        return self._marked(f"{p:.3f}")

    def seconds(self, seconds: float) -> str:
        """``12.3 s``, ``below 0.1 s``: whatever is told took some time."""
        if seconds < _SHORTEST_S:
            return f"{self.below} {self._marked(f'{_SHORTEST_S:g}')} s"
        return f"{self._marked(f'{seconds:,.1f}')} s"

    def _marked(self, text: str) -> str:
        return text.translate({ord(","): self.thousands, ord("."): self.point})


def _is_mistaken(percent: float, told: str) -> bool:
    """It looks like nothing or all, and is not."""
    return float(told) in (0, 100) and float(told) != percent


def _apart(value: float, decimals: int, marks: tuple[float, ...]) -> str:
    """Rounded, as finely as it takes not to look like one of these marks, where it is none."""
    told = [f"{value:.{digits}f}" for digits in range(decimals, _FINEST + 1)]
    if value not in marks:
        told = [one for one in told if float(one) not in marks] or told
    return told[0].lstrip("-") if float(told[0]) == 0 else told[0]
