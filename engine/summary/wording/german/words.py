"""German words for names and numbers.

Nouns stand where their nominative, genitive and dative plural are one form, so that no sentence needs more than two.
"""

from collections.abc import Sequence
from typing import Final

from phenostream.engine.summary.facts import ClassFacts
from phenostream.engine.summary.wording.lists import listed
from phenostream.engine.summary.wording.names import is_known_unit, is_plain_marker, proteins_of
from phenostream.engine.summary.wording.numerals import Numerals

NUMBERS: Final = Numerals(thousands=".", point=",", below="unter")
NOUNS: Final = {
    "lymphocyte": ("ein", "Lymphozyt", "Lymphozyten"),
    "granulocyte": ("ein", "Granulozyt", "Granulozyten"),
    "monocyte": ("ein", "Monozyt", "Monozyten"),
    "T cell": ("eine", "T-Zelle", "T-Zellen"),
    "B cell": ("eine", "B-Zelle", "B-Zellen"),
    "NK cell": ("eine", "NK-Zelle", "NK-Zellen"),
}
"""Article, singular and plural of the classes that stand in a sentence without quotation marks."""


def cells(name: str) -> str:
    """A class in the plural."""
    return NOUNS[name][2] if name in NOUNS else f"Zellen der Klasse {quoted(name)}"


def counted(one: ClassFacts) -> str:
    """``61 Granulozyten``."""
    return f"{NUMBERS.count(one.count)} {_one(one.name) if one.count == 1 else cells(one.name)}"


def counted_with_share(one: ClassFacts) -> str:
    """``61 Granulozyten (26,4 %)``; ``keine Monozyten``."""
    if not one.count:
        return f"keine {cells(one.name)}"
    return f"{counted(one)} ({NUMBERS.percent(one.share)})"


def a_cell(name: str) -> str:
    """A class in the singular with its indefinite article."""
    return f"{NOUNS[name][0] if name in NOUNS else 'eine'} {_one(name)}"


def marker(name: str) -> str:
    """A protein's name, or that the one number is of several."""
    proteins = [one if is_plain_marker(one) else quoted(one) for one in proteins_of(name)]
    if len(proteins) == 1:
        return proteins[0]
    return f"mindestens eines von {listed(proteins, 'oder')} (gemeinsam gemessen, nicht trennbar)"


def unit(name: str) -> str:
    """Of marker values."""
    return name if is_known_unit(name) else quoted(name)


def quoted(name: str) -> str:
    """A name that a stranger chose, which cannot hold these marks itself."""
    return f"„{name}“"


def share_interval(low: float, high: float) -> str:
    """Of a share."""
    return f"95-%-Intervall {NUMBERS.percent(low)} bis {NUMBERS.percent(high)}"


def number_of(count: int, one: str, many: str) -> str:
    """``1 Zelle``, ``3 Zellen``."""
    return f"{NUMBERS.count(count)} {one if count == 1 else many}"


def frames(count: int) -> str:
    """In the dative: ``12 Bildern``."""
    return number_of(count, "Bild", "Bildern")


def were(count: int) -> str:
    """The verb of a count."""
    return "wurde" if count == 1 else "wurden"


def both(items: Sequence[str]) -> str:
    """``a, b und c``."""
    return listed(items, "und")


def _one(name: str) -> str:
    return NOUNS[name][1] if name in NOUNS else f"Zelle der Klasse {quoted(name)}"
