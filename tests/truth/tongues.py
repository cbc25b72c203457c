"""How names and numbers are written in each language that summaries are written in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_NUMBER: Final = re.compile(r"(?<![\w‹.,])-?\d+(?:[.,]\d+)*")
_SWAPPED: Final = str.maketrans(".,", ",.")
_OTHERS: Final = r"‹(?:m\d+|r\d+|u|model|instrument|run)›"


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language.

    Attributes:
        pool: How a pool of markers is told, with ``{rest}`` and ``{last}``.
        quoted: Names set apart from the words around them: pattern, and the sign that stands for it.
        classes: Names of classes that are not those of the facts: singular and plural of each, by that name.
        comma: The decimal sign is a comma, and a point parts thousands.
    """

    pool: str
    quoted: tuple[tuple[str, str], ...]
    classes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    comma: bool = False

    def names_of(self, name: str) -> list[tuple[str, str]]:
        """Singular and plural of a class, as they may be written."""
        own = [self.classes[name]] if name in self.classes else []
        return [*own, (name, name if self.comma else name + "s")]

    def any_of(self, rest: str, last: str) -> str:
        """A pattern of a pool."""
        return self.pool.format(rest=rest, last=last)

    def numbers_in_english(self, text: str) -> str:
        """Numbers with a decimal point, and commas between thousands."""
        if not self.comma:
            return text
        text = re.sub(r"(\d)-%-", r"\1 % ", text)
        return _NUMBER.sub(lambda match: match[0].translate(_SWAPPED), text)


ENGLISH: Final = Tongue(
    pool="at least one of {rest},? (?:or|and) {last}",
    quoted=(
        (r"cells of class “(‹c\d+)›”", r"\1s›"),
        (r"cell of class “(‹c\d+›)”", r"\1"),
        (f"“({_OTHERS})”", r"\1"),
    ),
)
GERMAN: Final = Tongue(
    pool="mindestens eines von {rest} oder {last}",
    quoted=(
        (r"Zellen der Klasse „(‹c\d+)s?›“", r"\1s›"),
        (r"Zelle der Klasse „(‹c\d+)s?›“", r"\1›"),
        (f"„({_OTHERS})“", r"\1"),
    ),
    classes={
        "lymphocyte": ("Lymphozyt", "Lymphozyten"),
        "granulocyte": ("Granulozyt", "Granulozyten"),
        "monocyte": ("Monozyt", "Monozyten"),
        "T cell": ("T-Zelle", "T-Zellen"),
        "B cell": ("B-Zelle", "B-Zellen"),
        "NK cell": ("NK-Zelle", "NK-Zellen"),
    },
    comma=True,
)
