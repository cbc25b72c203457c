"""Names that strangers chose, made fit to stand in a sentence.

Class, marker, unit, model, instrument and run names come with a bundle or over the wire: none of them may move a
cursor, turn the direction of writing, mark up a page or leave the literal of a grammar. What is shown is letters
written from left to right, digits and a little punctuation; anything else as ``{U+202E}``; at most 64 characters. A
name that is not one of the few that a language knows as its own word stands in quotation marks, which no name can
hold, so that a reader sees where it begins and ends.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from phenostream.engine.summary.changes import Comparison
from phenostream.engine.summary.facts import ClassFacts, Facts

LONGEST_SHOWN: Final = 64
"""Characters of a shown name, its escapes counted."""
_PUNCTUATION: Final = frozenset(" -_.,/+():%°")
_KNOWN_UNITS: Final = frozenset(
    {
        "a.u.",
        "a.u. (synthetic)",
        "a.u. (BSCCM, linear)",
        "log10 a.u.",
        "MESF",
        "molecules/cell",
    }
)
_PLAIN_MARKER: Final = re.compile(
    r"[A-Z][A-Za-z]{0,3}-?[0-9]{1,3}[A-Za-z]{0,2}|HLA-(?:A|B|C|DR|DQ|DP)|TdT|MPO"
)
_LEFT_TO_RIGHT: Final = "L"
_NOTHING: Final = "(no name)"
_CUT: Final = "…"
_MOST_PROTEINS: Final = 8


def shown(name: str) -> str:
    """This name with whatever could act on a reader's screen, page or grammar as ``{U+XXXX}``.

    Returns:
        At most 64 printable characters, without quotation marks, backslashes, braces or markup but for those of the
        escapes; a cut name ends in ``…``.
    """
    parts: list[str] = []
    length = 0
    for character in name.strip(" "):
        part = character if _is_plain(character) else f"{{U+{ord(character):04X}}}"
        parts.append(part)
        length += len(part)
        if length > LONGEST_SHOWN:
            while length >= LONGEST_SHOWN:
                length -= len(parts.pop())
            return "".join(parts) + _CUT
    return "".join(parts) or _NOTHING


def with_shown_names(facts: Facts) -> Facts:
    """The same facts with every name as `shown`: nothing else of a stranger's reaches a sentence.

    Classes whose names look alike, once cut, are told apart by their place: ``T #2``.
    """
    looks = [shown(one.name) for one in facts.classes]
    names = {
        one.name: f"{look} #{place}" if looks.count(look) > 1 else look
        for place, (one, look) in enumerate(zip(facts.classes, looks, strict=True), start=1)
    }
    return replace(
        facts,
        classes=tuple(_class(one, names[one.name]) for one in facts.classes),
        marker_unit=shown(facts.marker_unit),
        model=shown(facts.model),
        run=shown(facts.run) if facts.run else "",
        instrument=shown(facts.instrument) if facts.instrument else "",
        comparisons=tuple(_comparison(one, names) for one in facts.comparisons),
    )


def shown_marker(name: str) -> str:
    """A marker's name, protein by protein; of a pool of more than eight, the first eight and ``…``."""
    proteins = proteins_of(name)
    told = [shown(protein) for protein in proteins[:_MOST_PROTEINS]]
    return "/".join([*told, _CUT] if len(proteins) > _MOST_PROTEINS else told)


def proteins_of(marker: str) -> tuple[str, ...]:
    """The proteins of a pool, or the marker's own name alone."""
    return tuple(marker.split("/"))


def is_plain_marker(name: str) -> bool:
    """A protein's usual name, such as CD45 or HLA-DR, that needs no quotation marks."""
    return _PLAIN_MARKER.fullmatch(name) is not None


def is_known_unit(unit: str) -> bool:
    """A unit that bundles of this program have, which needs no quotation marks."""
    return unit in _KNOWN_UNITS


def _class(one: ClassFacts, name: str) -> ClassFacts:
    markers = tuple(replace(marker, name=shown_marker(marker.name)) for marker in one.markers)
    return replace(one, name=name, markers=markers)


def _comparison(one: Comparison, names: Mapping[str, str]) -> Comparison:
    shares = tuple(
        replace(change, name=names.get(change.name, shown(change.name))) for change in one.shares
    )
    markers = tuple(
        replace(
            change,
            class_name=names.get(change.class_name, shown(change.class_name)),
            name=shown_marker(change.name),
        )
        for change in one.markers
    )
    return replace(one, name=shown(one.name), shares=shares, markers=markers)


def _is_plain(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _PUNCTUATION
    letter = unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo")
    return character in _PUNCTUATION or (
        letter and unicodedata.bidirectional(character) == _LEFT_TO_RIGHT
    )
