"""The names that a text may use: those of the facts, as a summary shows them.

A name is a stranger's and may read like a sentence. It stands bare only where nobody can mistake it: a class whose
words the reader has no other use for, a protein that looks like one. Any other stands in quotation marks or not at all.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

from phenostream.engine.summary.facts import Facts

NamedKind = Literal["class", "marker", "unit", "name"]

_PLAIN_CLASS: Final = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+){0,2}")
_PLAIN_PROTEIN: Final = re.compile(r"(?=.*\d)[A-Z][A-Za-z0-9-]{0,11}|HLA-[A-Z]{1,2}")
_PLAIN_UNIT: Final = re.compile(r"a\.u\.(?: \([A-Za-z, ]{1,24}\))?")
_HARMLESS: Final = frozenset({"cell", "cells"})


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a name.

    Attributes:
        written: In lower case where case does not matter.
        kind: What it names.
        index: Which of them, in the order of the facts.
        any_case: Case does not matter.
    """

    written: str
    kind: NamedKind
    index: int
    any_case: bool = False


class Lexicon:
    """The names of some facts."""

    def __init__(self, forms: list[Form]) -> None:
        """Of these forms; one that would name two things names none."""
        named: dict[str, set[tuple[str, int]]] = {}
        for form in forms:
            named.setdefault(form.written.lower(), set()).add((form.kind, form.index))
        clear = [form for form in forms if len(named[form.written.lower()]) == 1]
        self._forms = sorted(clear, key=lambda form: -len(form.written))

    @classmethod
    def of(cls, facts: Facts, reserved: frozenset[str]) -> Self:
        """The lexicon of these facts.

        Args:
            facts: The facts.
            reserved: Words, in lower case, that mean something to the reader.
        """
        forms = [
            Form(written.lower(), "class", index, any_case=True)
            for index, one in enumerate(facts.classes)
            for written in _class_forms(one.name, reserved)
        ]
        forms += [
            Form(written, "marker", index)
            for index, marker in enumerate(marker_names(facts))
            for written in _marker_forms(marker)
        ]
        unit = facts.marker_unit
        bare = [unit] if _PLAIN_UNIT.fullmatch(unit) else []
        forms += [Form(written, "unit", 0) for written in (*bare, _quoted(unit))]
        return cls([*forms, Form(_quoted(facts.model), "name", 0)])

    def at(self, text: str, start: int) -> tuple[NamedKind, int, int] | None:
        """The longest name that stands at this place as a whole word: its kind, index and end."""
        if start and _joins(text[start - 1]) and _joins(text[start]):
            return None
        for form in self._forms:
            end = start + len(form.written)
            written = text[start:end]
            same = (written.lower() if form.any_case else written) == form.written
            if same and (end >= len(text) or not (_joins(text[end]) and _joins(written[-1]))):
                return form.kind, form.index, end
        return None


def marker_names(facts: Facts) -> tuple[str, ...]:
    """The markers in the order of the facts; none where no class has a cell."""
    return next((tuple(m.name for m in one.markers) for one in facts.classes if one.markers), ())


def proteins_of(marker: str) -> tuple[str, ...]:
    """The proteins of a pool, or the marker alone."""
    return tuple(marker.split("/"))


def _class_forms(name: str, reserved: frozenset[str]) -> list[str]:
    quoted = [f"{cells} of class {_quoted(name)}" for cells in ("cell", "cells")] + [_quoted(name)]
    words = frozenset(re.findall(r"[a-z]+", name.lower()))
    if not _PLAIN_CLASS.fullmatch(name) or words & (reserved - _HARMLESS) or words <= _HARMLESS:
        return quoted
    return [*quoted, name, f"{name}s"]


def _marker_forms(marker: str) -> list[str]:
    proteins = [
        one if _PLAIN_PROTEIN.fullmatch(one) else _quoted(one) for one in proteins_of(marker)
    ]
    if len(proteins) == 1:
        return proteins
    *most, last = proteins
    head = ", ".join(most)
    listed = [f"{head}{comma} {word} {last}" for comma in ("", ",") for word in ("or", "and")]
    listed += [", ".join(proteins), "/".join(proteins)]
    bare = "/".join(proteins)
    return [*(f"at least one of {one}" for one in listed), f"pooled {bare}", bare]


def _quoted(name: str) -> str:
    return f"“{name}”"


def _joins(character: str) -> bool:
    return character.isalnum() or character in "-_'/"
