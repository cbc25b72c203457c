"""Reads a grammar that says only which of some texts come one after the other; any other grammar it leaves alone.

A summary's grammar is such a sequence. Who knows the choices need not ask the model for every token of a text that is
fixed. The language: rules of literals that can be printed, groups, alternatives and other rules; no repetition, no
character class, no recursion (https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md has all of GBNF).
"""

import re
from dataclasses import dataclass
from typing import Final

Choices = tuple[tuple[str, ...], ...]
"""What may come at each place, in order; a text is one of each, joined."""

MOST_ALTERNATIVES: Final = 256
"""At one place, when its rules are written out."""
_DEEPEST: Final = 16
_TOKEN: Final = re.compile(
    r"(?:\s|\#[^\n]*)*(?:(?P<rule>[a-zA-Z][\w-]*)\s*::=|(?P<name>[a-zA-Z][\w-]*)"
    r'|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<sign>[()|])|(?P<end>\Z))'
)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_PLAIN: Final = {'"': '"', "\\": "\\", "[": "[", "]": "]"}


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str


@dataclass(frozen=True, slots=True)
class _Group:
    alternatives: "tuple[tuple[str | _Rule | _Group, ...], ...]"


class _Other(Exception):
    """The grammar says more than a sequence of choices."""


def choices_of(grammar: str) -> Choices | None:
    """What the texts of a grammar are made of; None where it is not a sequence of choices.

    Args:
        grammar: GBNF with a rule ``root``.
    """
    try:
        rules = _Reader(grammar).rules()
        root = rules["root"].alternatives
        if len(root) > 1:
            return (_texts(rules["root"], rules, 0),)
        return tuple(_texts(item, rules, 0) for item in root[0])
    except (_Other, KeyError):
        return None


def _texts(item: str | _Rule | _Group, rules: dict[str, _Group], depth: int) -> tuple[str, ...]:
    """All that an item can say."""
    if isinstance(item, str):
        return (item,)
    if depth > _DEEPEST:
        raise _Other
    if isinstance(item, _Rule):
        return _texts(rules[item.name], rules, depth + 1)
    found: list[str] = []
    for sequence in item.alternatives:
        said = [""]
        for part in sequence:
            ends = _texts(part, rules, depth + 1)
            if len(said) * len(ends) > MOST_ALTERNATIVES:
                raise _Other
            said = [text + end for text in said for end in ends]
        found += said
        if len(found) > MOST_ALTERNATIVES:
            raise _Other
    return tuple(dict.fromkeys(found))


class _Reader:
    """A grammar, token by token."""

    def __init__(self, grammar: str) -> None:
        self._grammar, self._place = grammar, 0

    def rules(self) -> dict[str, _Group]:
        """All rules by name."""
        rules: dict[str, _Group] = {}
        kind, name = self._take()
        while kind == "rule":
            if name in rules:
                raise _Other
            rules[name] = self._group()
            kind, name = self._take()
        if kind != "end":
            raise _Other
        return rules

    def _group(self) -> _Group:
        """Alternatives, up to a closing bracket, the next rule or the end, which stay."""
        parts: list[tuple[str | _Rule | _Group, ...]] = []
        items: list[str | _Rule | _Group] = []
        while True:
            before = self._place
            kind, text = self._take()
            if kind == "text":
                items.append(_unescaped(text))
            elif kind == "name":
                items.append(_Rule(text))
            elif text == "(":
                items.append(self._group())
                if self._take() != ("sign", ")"):
                    raise _Other
            elif text == "|":
                parts.append(tuple(items))
                items = []
            else:
                self._place = before
                return _Group((*parts, tuple(items)))

    def _take(self) -> tuple[str, str]:
        found = _TOKEN.match(self._grammar, self._place)
        if found is None or found.lastgroup is None:
            raise _Other
        self._place = found.end()
        return found.lastgroup, found[found.lastgroup]


def _unescaped(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        if code:
            try:
                return chr(int(code, 16))
            except (ValueError, OverflowError):
                raise _Other from None
        if found[4] not in _PLAIN:
            raise _Other
        return _PLAIN[found[4]]

    said = _ESCAPE.sub(plain, text)
    if not said.isprintable():
        raise _Other
    return said
