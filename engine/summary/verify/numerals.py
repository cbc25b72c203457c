"""Numbers as digits or words, and when a written number is a rounded fact.

The rules of rounding, for every style and every writer:

* A **count** is exact: ``79`` or ``seventy-nine`` or ``1,234``, never ``about 80``.
* A **share** lies within half a unit of its last written digit: 61.72 % may be 61.72 %, 61.7 % or 62 %, not 61.8 % or
  60 %. Without decimals, 0 % and 100 % are said of none and of all only.
* A **marker value** likewise, and with two significant digits at least, unless three would not show more: 12.34 may be
  12.34, 12.3 or 12; not 12.4, and not 10.
"""

import re
from typing import Final

_UNIT_WORDS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TEN_WORDS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS: Final = {word: value for value, word in enumerate(_UNIT_WORDS.split())}
_TENS: Final = {word: 10 * value for value, word in enumerate(_TEN_WORDS.split(), start=2)}
_SCALES: Final = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
NUMBER: Final = re.compile(
    r"(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?(?:e[+-]?\d{1,2})?(?![\w])", re.ASCII
)
"""Digits, perhaps with thousands separated by commas, decimals and an exponent; without a sign."""
_BEYOND: Final = 1_000_000_000
_TIE: Final = 1e-9
_SIGNIFICANT: Final = 2


def word_value(words: list[str]) -> tuple[int, int]:
    """The number that lower-case words begin with.

    Returns:
        Words read (0: none of them is a number) and the value. Understands what a person writes: ``seventy-nine``,
        ``one hundred and twenty-eight``, ``two thousand five hundred``.
    """
    total = part = used = 0
    smallest = _BEYOND
    for position, word in enumerate(words):
        if word == "and" and part % 100 == 0 and part and position + 1 < len(words):
            if _small(words[position + 1]) is None:
                break
            continue
        small = _small(word)
        if small is not None and (used == 0 or words[used - 1] in _SCALES):
            part += small
        elif word in _SCALES and 0 < part < _SCALES[word] < smallest:
            part *= _SCALES[word]
            if _SCALES[word] > 100:
                total, part, smallest = total + part, 0, _SCALES[word]
        else:
            break
        used = position + 1
    return used, total + part


def _small(word: str) -> int | None:
    """A number below 100 as one written word; None of any other."""
    if word in _UNITS:
        return _UNITS[word]
    tens, dash, unit = word.partition("-")
    if tens not in _TENS or (dash and not 0 < _UNITS.get(unit, 0) < 10):
        return None
    return _TENS[tens] + (_UNITS[unit] if dash else 0)


def decimals_of(written: str) -> int:
    """Digits behind the decimal point, with the exponent counted: 2 of ``0.12``, 1 of ``1.25e+01``, -2 of ``1e2``."""
    mantissa, _, exponent = written.lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def significant_of(written: str) -> int:
    """Digits from the first that is not 0 on: 2 of ``0.012``, 3 of ``120``."""
    digits = written.lower().partition("e")[0].replace(",", "").replace(".", "").lstrip("-0")
    return len(digits)


def rounds_to(value: float, written: float, decimals: int) -> bool:
    """Whether the value lies within half a unit of the last written digit, of units or smaller."""
    return decimals >= 0 and _is_near(value, written, decimals)


def _is_near(value: float, written: float, decimals: int) -> bool:
    half = 0.5 * 10.0**-decimals
    return abs(value - written) <= half * (1 + _TIE) + _TIE * abs(value)


def is_share(share: float, percent: float, decimals: int) -> bool:
    """Whether a written percentage is this share (0 to 1)."""
    if decimals <= 0 and percent in (0.0, 100.0):
        return 100 * share == percent
    return rounds_to(100 * share, percent, decimals)


def is_value(value: float, written: float, text: str) -> bool:
    """Whether a written number is this value in enough digits."""
    if not _is_near(value, written, decimals_of(text)):
        return False
    return significant_of(text) >= _SIGNIFICANT or float(f"{value:.3g}") == written
