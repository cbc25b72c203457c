"""English words for names and numbers."""

from collections.abc import Sequence
from typing import Final

from phenostream.engine.summary.facts import ClassFacts
from phenostream.engine.summary.wording.lists import listed
from phenostream.engine.summary.wording.names import is_known_unit, is_plain_marker, proteins_of
from phenostream.engine.summary.wording.numerals import Numerals

NUMBERS: Final = Numerals(thousands=",", point=".", below="below")
NOUNS: Final = frozenset(
    {
        "lymphocyte",
        "granulocyte",
        "monocyte",
        "neutrophil",
        "eosinophil",
        "basophil",
        "T cell",
        "B cell",
        "NK cell",
    }
)
"""The classes that stand in a sentence without quotation marks."""


def one_cell(name: str) -> str:
    """A class in the singular."""
    return name if name in NOUNS else f"cell of class {quoted(name)}"


def cells(name: str) -> str:
    """A class in the plural."""
    return f"{name}s" if name in NOUNS else f"cells of class {quoted(name)}"


def cells_of(one: ClassFacts) -> str:
    """A class in the number of its cells."""
    return one_cell(one.name) if one.count == 1 else cells(one.name)


def counted(one: ClassFacts) -> str:
    """``61 granulocytes``."""
    return f"{NUMBERS.count(one.count)} {cells_of(one)}"


def counted_with_share(one: ClassFacts) -> str:
    """``61 granulocytes (26.4 %)``; ``no monocytes``."""
    if not one.count:
        return f"no {cells(one.name)}"
    return f"{counted(one)} ({NUMBERS.percent(one.share)})"


def a_cell(name: str) -> str:
    """A class in the singular with its indefinite article."""
    one = one_cell(name)
    return f"{'an' if one[0] in 'aeiou' or one == 'NK cell' else 'a'} {one}"


def marker(name: str) -> str:
    """A protein's name, or that the one number is of several."""
    proteins = [one if is_plain_marker(one) else quoted(one) for one in proteins_of(name)]
    if len(proteins) == 1:
        return proteins[0]
    return f"at least one of {listed(proteins, 'or')} (pooled, cannot be separated)"


def unit(name: str) -> str:
    """Of marker values."""
    return name if is_known_unit(name) else quoted(name)


def quoted(name: str) -> str:
    """A name that a stranger chose, which cannot hold these marks itself."""
    return f"“{name}”"


def share_interval(low: float, high: float) -> str:
    """Of a share."""
    return f"95 % interval {NUMBERS.percent(low)} to {NUMBERS.percent(high)}"


def number_of(count: int, noun: str, plural: str = "") -> str:
    """``1 frame``, ``3 frames``; the plural where it has more than an s."""
    return f"{NUMBERS.count(count)} {noun if count == 1 else plural or f'{noun}s'}"


def were(count: int) -> str:
    """The verb of a count."""
    return "was" if count == 1 else "were"


def both(items: Sequence[str]) -> str:
    """``a, b and c``."""
    return listed(items, "and")
