"""The names that a text may use: those of the facts, as a summary shows them.

A name is a stranger's and may read like a sentence. It stands bare only where nobody can mistake it: a class whose
words the reader has no other use for, a protein that looks like one. Any other stands in quotation marks or not at all.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.wording.names import is_plain_marker, shown

NamedKind = Literal["class", "marker", "unit", "name"]

_PLAIN_CLASS: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[ -][A-Za-z][A-Za-z0-9]*|-[0-9]+){0,3}")
_PLAIN_PROTEIN: Final = re.compile(r"[A-Z][A-Za-z0-9-]{1,11}")
_PLAIN_UNIT: Final = re.compile(r"[A-Za-z][A-Za-z0-9.,/ ()]{0,31}")
_MARKS: Final = ("“{}”", '"{}"')
_HARMLESS: Final = frozenset({"a", "cell", "cells", "log"})
"""Words of the reader that a name may have beside its own."""


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
            for written in _marker_forms(marker, reserved)
        ]
        unit = facts.marker_unit
        forms += [Form(written, "unit", 0) for written in _quotations(unit)]
        if _is_plain(unit, _PLAIN_UNIT, reserved - {"synthetic"}):
            forms.append(Form(unit, "unit", 0))
        names = {facts.model, facts.run, facts.instrument, *(c.name for c in facts.comparisons)}
        written = {one for name in names for one in _quotations(name)}
        return cls(forms + [Form(one, "name", 0) for one in written])

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


def _class_forms(name: str, reserved: frozenset[str]) -> list[str]:
    quoted = [
        f"{cells}{one}"
        for one in _quotations(name)
        for cells in ("", "class ", "cell of class ", "cells of class ")
    ]
    quoted += [f"{one} {what}" for one in _quotations(name) for what in ("class", "cell", "cells")]
    if not _is_plain(name, _PLAIN_CLASS, reserved):
        return quoted
    return [*quoted, name, f"{name}s", *(f"{name} {cells}" for cells in ("cell", "cells"))]


def _marker_forms(marker: str, reserved: frozenset[str]) -> list[str]:
    proteins = tuple(marker.split("/"))
    ways = {tuple(marks.format(shown(one)) for one in proteins) for marks in _MARKS}
    for plain in (is_plain_marker, lambda one: _is_plain(one, _PLAIN_PROTEIN, reserved)):
        for marks in _MARKS:
            ways.add(tuple(one if plain(one) else marks.format(shown(one)) for one in proteins))
    return [form for way in ways for form in (way if len(way) == 1 else _pool_forms(way))]


def _pool_forms(proteins: tuple[str, ...]) -> list[str]:
    *most, last = proteins
    head = ", ".join(most)
    listed = [f"{head}{comma} {word} {last}" for comma in ("", ",") for word in ("or", "and")]
    bare = "/".join(proteins)
    listed += [", ".join(proteins), bare]
    told = [f"{begun}t least one of {one}" for one in listed for begun in "aA"]
    return [*told, f"pooled {bare}", bare]


def _is_plain(name: str, pattern: re.Pattern[str], reserved: frozenset[str]) -> bool:
    words = frozenset(re.findall(r"[a-z]+", name.lower()))
    own = words - _HARMLESS
    return pattern.fullmatch(name) is not None and bool(own) and not own & reserved


def is_named(written: str, name: str) -> bool:
    """Whether this is that name, in quotation marks of either kind."""
    return written in _quotations(name)


def _quotations(name: str) -> tuple[str, ...]:
    """A shown name holds neither kind of mark."""
    return tuple(marks.format(shown(name)) for marks in _MARKS)


def _joins(character: str) -> bool:
    return character.isalnum() or character in "-_'/"
