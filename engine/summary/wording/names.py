"""Names that strangers chose, made fit to stand in a sentence.

Class, marker, unit, model, instrument and run names come with a bundle or over the wire: none of them may move a
cursor, turn the direction of writing, mark up a page or leave the literal of a grammar. What is shown is letters
written from left to right, digits and a little punctuation; anything else as ``{U+202E}``; at most 64 characters. A
name that is not one of the few that a language knows as its own word stands in quotation marks, which no name can
hold, so that a reader sees where it begins and ends.
"""

import re
import unicodedata
from typing import Final

LONGEST_SHOWN: Final = 64
"""Characters of a shown name, its escapes counted."""
_PUNCTUATION: Final = frozenset(" -_.,/+():%°")
_KNOWN_UNITS: Final = frozenset({"a.u.", "a.u. (synthetic)", "a.u. (BSCCM, linear)"})
_PLAIN_MARKER: Final = re.compile(r"(?=.*[0-9])[A-Z][A-Za-z0-9]{0,7}|HLA-(?:A|B|C|DR|DQ|DP)")
_LEFT_TO_RIGHT: Final = "L"
_NOTHING: Final = "(no name)"
_CUT: Final = "…"


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


def told_apart(names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name as shown; where two look alike, with its place: ``T #2``."""
    looks = [shown(name) for name in names]
    return tuple(
        f"{look} #{place}" if looks.count(look) > 1 else look
        for place, look in enumerate(looks, start=1)
    )


def proteins_of(marker: str) -> tuple[str, ...]:
    """The proteins of a pool, or the marker's own name alone."""
    return tuple(marker.split("/"))


def is_plain_marker(name: str) -> bool:
    """A protein's usual name, such as CD45 or HLA-DR, that needs no quotation marks."""
    return _PLAIN_MARKER.fullmatch(name) is not None


def is_known_unit(unit: str) -> bool:
    """A unit that bundles of this program have, which needs no quotation marks."""
    return unit in _KNOWN_UNITS


def _is_plain(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _PUNCTUATION
    letter = unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo")
    return character in _PUNCTUATION or (
        letter and unicodedata.bidirectional(character) == _LEFT_TO_RIGHT
    )
