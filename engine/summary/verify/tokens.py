"""A text as words, numbers and names, so that a rule can tell what each of them is.

Every character has to be one that a summary needs: no control character, no second alphabet that looks like the first,
no markup. What is no word, number, name or punctuation is a fault here and never reaches a rule.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from phenostream.engine.summary.verify.fault import LONGEST_QUOTED, Fault
from phenostream.engine.summary.verify.names import Lexicon
from phenostream.engine.summary.verify.numerals import NUMBER, decimals_of, word_value

TokenKind = Literal["word", "mark", "number", "percent", "class", "marker", "unit", "name"]

_WORD: Final = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*(?:-[A-Za-z]+)*")
_RUN: Final = re.compile(r"[A-Za-z-]+(?: [A-Za-z-]+){0,9}")
"""Words with a single space between them: as many as the longest number in words may have."""
_MARKS: Final = ".,;:()-–—/=≤≥<>±"
_SPELLING: Final = {"’": "'", "–": "-", "—": "-"}
_PERCENT: Final = re.compile(r"\s?%|\s(?:percent|per cent)\b(?! points?)", re.IGNORECASE)
_BEFORE_SIGN: Final = " (:="
_MARKER: Final = re.compile(r"CD\d|HLA|Ig[GMAD]|TCR|CCR\d|CXCR\d")


@dataclass(frozen=True, slots=True)
class Token:
    """One of them.

    Attributes:
        kind: What it is.
        text: As written; of a word in lower case.
        start: Where it begins in the text.
        end: Where it ends.
        value: Of a number or percentage.
        decimals: Of it, as written; 0 of a number word.
        index: Of a class or marker, in the order of the facts.
    """

    kind: TokenKind
    text: str
    start: int
    end: int
    value: float = 0.0
    decimals: int = 0
    index: int = 0


def tokens_of(text: str, lexicon: Lexicon) -> tuple[list[Token], list[Fault]]:
    """The tokens of a text, in order, and a fault for every stretch that is none."""
    tokens: list[Token] = []
    faults: list[Fault] = []
    position = 0
    while position < len(text):
        if text[position] == " ":
            position += 1
            continue
        token = _token(text, position, lexicon)
        if token is None:
            fault, position = _no_token(text, position)
            faults.append(fault)
        else:
            tokens.append(token)
            position = token.end
    return tokens, faults


def _token(text: str, start: int, lexicon: Lexicon) -> Token | None:
    named = lexicon.at(text, start)
    if named is not None:
        kind, index, end = named
        return Token(kind, text[start:end], start, end, index=index)
    return _digits(text, start) or _word(text, start) or _mark(text, start)


def _digits(text: str, start: int) -> Token | None:
    """A number in digits, with its sign where one can stand."""
    before = text[start - 1] if start else " "
    signed = text[start] in "-−" and before in _BEFORE_SIGN
    found = NUMBER.match(text, start + signed)
    if found is None or before.isalnum() or before == "_":
        return None
    written = found.group().replace(",", "")
    value = -float(written) if signed else float(written)
    return _number(text, start, found.end(), value, decimals_of(written))


def _word(text: str, start: int) -> Token | None:
    """A word, or a number in words."""
    found = _WORD.match(text, start)
    if found is None or text[found.end() : found.end() + 1].isalnum():
        return None
    run = _RUN.match(text, start)
    words = list(_WORD.finditer(run.group())) if run else []
    used, value = word_value([_spelled(word.group()) for word in words])
    if used:
        return _number(text, start, start + words[used - 1].end(), float(value), 0)
    return Token("word", _spelled(found.group()), start, found.end())


def _number(text: str, start: int, end: int, value: float, decimals: int) -> Token:
    percent = _PERCENT.match(text, end)
    if percent is None:
        return Token("number", text[start:end], start, end, value, decimals)
    return Token("percent", text[start:end], start, percent.end(), value, decimals)


def _mark(text: str, start: int) -> Token | None:
    if text[start] not in _MARKS:
        return None
    return Token("mark", _SPELLING.get(text[start], text[start]), start, start + 1)


def _spelled(word: str) -> str:
    return word.lower().replace("’", "'")


def _no_token(text: str, start: int) -> tuple[Fault, int]:
    """What is wrong, and where to read on."""
    character = text[start]
    if not (character.isascii() and character.isalnum()):
        code = f"{{U+{ord(character):04X}}}"
        return Fault("character", code, "letters, digits and plain punctuation"), start + 1
    run = text[start:].split(" ", 1)[0]
    if _MARKER.match(run):
        return Fault("marker", run[:LONGEST_QUOTED], "markers of the facts"), start + len(run)
    return Fault("number", run[:LONGEST_QUOTED], "numbers that stand alone"), start + len(run)
