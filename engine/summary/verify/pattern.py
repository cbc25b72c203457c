"""Phrases as patterns that a person can read, matched against tokens.

A pattern is words with a space between them: ``[optional words]``, ``(one|or another)``, and places for what a rule
asks about: ``{n}`` a number, ``{p}`` a percentage, ``{x}`` either, ``{c}`` a class, ``{m}`` a marker, ``{u}`` the
unit, ``{i}`` a name of something else. A second one of a kind has a digit: ``{n2}``. ``?=`` opens what must follow,
``?!`` what must not; neither is part of the phrase. Parentheses that are meant are written ``<`` and ``>``.
"""

import re
from collections.abc import Sequence
from typing import Final

from phenostream.engine.summary.verify.tokens import Token, TokenKind

_CODES: Final[dict[TokenKind, str]] = {
    "number": "#",
    "percent": "%",
    "class": "@",
    "marker": "&",
    "unit": "$",
    "name": "!",
}
_PLACES: Final = {"n": "#", "p": "%", "x": "[#%]", "c": "@", "m": "&", "u": r"\$", "i": "!"}
_PART: Final = re.compile(r"\{(\w+)\}|\?[=!]|[\[\]()|]|[^\s\[\]()|{}]+")
_STRUCTURE: Final = {"[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|"}
_LITERAL: Final = {"<": "(", ">": ")"}


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression over `Coded.line`."""
    parts: list[str] = []
    ahead = 0
    for found in _PART.finditer(pattern):
        part = found.group()
        if place := found.group(1):
            parts.append(f"(?P<{place}>{_PLACES[place[0]]}\\d+) ")
        elif part in ("?=", "?!"):
            parts.append(f"({part}")
            ahead += 1
        else:
            word = _LITERAL.get(part, part)
            parts.append(_STRUCTURE.get(part) or f"{re.escape(word)} ")
    return re.compile("".join(parts) + ")" * ahead)


class Coded:
    """Tokens as one line of text, each with a space behind it: a word as itself, ``#7`` for a number that is token 7.

    Attributes:
        tokens: The tokens.
        line: The line.
        starts: Where each token begins in the line, and where the line ends.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Code these tokens."""
        parts = [
            f"{_CODES[token.kind]}{place}" if token.kind in _CODES else token.text
            for place, token in enumerate(tokens)
        ]
        self.tokens = tokens
        self.line = "".join(f"{part} " for part in parts)
        self.starts = [0]
        for part in parts:
            self.starts.append(self.starts[-1] + len(part) + 1)

    def match(self, pattern: re.Pattern[str], place: int) -> "Phrase | None":
        """The phrase that begins at this token, if it is one of the pattern's."""
        found = pattern.match(self.line, self.starts[place])
        if found is None or found.end() == found.start():
            return None
        return Phrase(self, place, self.starts.index(found.end(), place), found)


class Phrase:
    """Tokens that a pattern matched.

    Attributes:
        first: Place of the first of them.
        end: Place behind the last.
    """

    def __init__(self, coded: Coded, first: int, end: int, found: re.Match[str]) -> None:
        """Of these tokens."""
        self._coded = coded
        self._found = found
        self.first = first
        self.end = end

    def has(self, place: str) -> bool:
        """Whether this place of the pattern is filled."""
        return self._found.groupdict().get(place) is not None

    def token(self, place: str) -> Token:
        """What fills this place."""
        return self._coded.tokens[int(self._found.group(place)[1:])]

    def contains(self, word: str) -> bool:
        """Whether this word is among the tokens."""
        return any(token.text == word for token in self.tokens)

    @property
    def tokens(self) -> Sequence[Token]:
        """All of them."""
        return self._coded.tokens[self.first : self.end]

    @property
    def span(self) -> tuple[int, int]:
        """Where it stands in the text."""
        return self.tokens[0].start, self.tokens[-1].end


def words_of(pattern: str) -> frozenset[str]:
    """The words that a pattern is made of, as letters divide them."""
    bare = re.sub(r"\{\w+\}", " ", pattern)
    return frozenset(re.findall(r"[a-z]+", bare))
