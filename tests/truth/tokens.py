"""A summary as a row of signs: the names that its facts know, numbers as they are written, and words.

The row is text again, so that phrases are patterns over it: ``‹c0s›`` is the plural of the first class, ``‹m2›`` the
third marker, ``‹n4›`` the fifth number, ``‹p5›`` the sixth, a percentage, ``‹o1›`` an ordinal. A name that the facts do
not have stays a word, and so does a protein of a pool that is named by itself.
"""

import re
from dataclasses import dataclass
from typing import Final

from phenostream.engine.summary.facts import Facts
from tests.truth.tongues import Tongue

_NUMBER: Final = re.compile(
    r"(?<![\w.])(?P<sign>[-−+])?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:[eE](?P<power>[+-]?\d+))?"
    r"(?:(?P<ordinal>st|nd|rd|th)\b|(?P<percent>\s?%)|(?![\w]))"
)
_SIGN: Final = re.compile(r"‹[^›]*›|[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+|[^\w\s]|_")
_STOPS: Final = re.compile(r"(?<=[.!?])\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a text.

    Attributes:
        value: Percentages as shares.
        step: One of its last written digit.
        text: As written.
    """

    value: float
    step: float
    text: str

    def rounds(self, fact: float | None) -> bool:
        """Whether it is the fact, rounded to the digits that are written."""
        if fact is None:
            return False
        return abs(self.value - fact) <= self.step / 2 * (1 + 1e-6) + 1e-12

    def is_exactly(self, count: int | None) -> bool:
        """Whether it is a count, written in full."""
        return count is not None and self.step == 1 and self.value == count


@dataclass(frozen=True, slots=True)
class Row:
    """One text as signs.

    Attributes:
        sentences: Each a row of signs, single spaces between, words in lower case.
        numbers: By the number in a sign.
    """

    sentences: tuple[str, ...]
    numbers: tuple[Number, ...]

    def number(self, sign: str) -> Number:
        """What ``‹n4›``, ``‹p4›`` or ``‹o4›`` stands for."""
        return self.numbers[int(sign[2:-1])]


def row_of(text: str, facts: Facts, tongue: Tongue) -> Row:
    """Read a text with the names of these facts."""
    named = tongue.numbers_in_english(_named(text, facts, tongue))
    numbers: list[Number] = []

    def sign(match: re.Match[str]) -> str:
        numbers.append(_number(match))
        kind = "o" if match["ordinal"] else "p" if match["percent"] else "n"
        return f"‹{kind}{len(numbers) - 1}›"

    sentences = _STOPS.split(named)
    rows = [" ".join(_SIGN.findall(_NUMBER.sub(sign, one))).lower() for one in sentences]
    return Row(tuple(rows), tuple(numbers))


def _named(text: str, facts: Facts, tongue: Tongue) -> str:
    """The text with a sign in the place of every name, longest first."""
    signs: list[tuple[str, str, int]] = []
    for k, one in enumerate(facts.classes):
        for single, plural in tongue.names_of(one.name):
            signs += [(re.escape(plural), f"‹c{k}s›", re.IGNORECASE)]
            signs += [(re.escape(single), f"‹c{k}›", re.IGNORECASE)]
    for m, name in enumerate(markers_of(facts)):
        signs += [(re.escape(name), f"‹m{m}›", 0)]
        proteins = [re.escape(protein) for protein in name.split("/")]
        if len(proteins) > 1:
            listed = tongue.any_of(r"\s*,\s*".join(proteins[:-1]), proteins[-1])
            signs += [(listed, f"‹m{m}› ‹pool›", re.IGNORECASE)]
    others = {
        facts.marker_unit: "‹u›",
        facts.model: "‹model›",
        facts.instrument: "‹instrument›",
        facts.run: "‹run›",
    }
    others |= {one.name: f"‹r{i}›" for i, one in enumerate(facts.comparisons)}
    signs += [(re.escape(name), sign, 0) for name, sign in others.items() if name]
    for pattern, sign, flags in sorted(signs, key=lambda one: -len(one[0])):
        text = re.sub(rf"(?<![\w‹]){pattern}(?![\w›])", sign, text, flags=flags)
    for pattern, sign in tongue.quoted:
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    return text


def markers_of(facts: Facts) -> list[str]:
    """Every marker's name, in the order in which they come."""
    told = [marker.name for one in facts.classes for marker in one.markers]
    told += [one.name for comparison in facts.comparisons for one in comparison.markers]
    return list(dict.fromkeys(told))


def _number(match: re.Match[str]) -> Number:
    digits = match["digits"].replace(",", "")
    decimals = len(digits.partition(".")[2])
    scale = 10.0 ** int(match["power"] or 0) / (100 if match["percent"] else 1)
    sign = -1 if match["sign"] in ("-", "−") else 1
    return Number(sign * float(digits) * scale, 10.0**-decimals * scale, match[0])
