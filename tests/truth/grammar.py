"""A reader of grammars as a summary's plan becomes one: rules that are alternatives of literals, and nothing else.

Written from llama.cpp's description of GBNF, so that what a literal says does not rest on the code that wrote it.
"""

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r'\\(?:(?P<plain>["\\\[\]])|(?P<blank>[nrt])|x(?P<x>[0-9A-Fa-f]{2})|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8}))'
)
_LITERAL: Final = rf'"(?:[^"\\\r\n]|{_ESCAPE.pattern})*"'
_NAME: Final = r"[a-z][a-z0-9-]*"
_BLANKS: Final = {"n": "\n", "r": "\r", "t": "\t"}


class NotPlain(AssertionError):
    """The grammar holds something else than alternatives of literals."""


def slots_of(grammar: str) -> list[tuple[str, ...]]:
    """The alternatives of each place of the root rule, in order; a literal is a place with one.

    Raises:
        NotPlain: A sign outside a literal that is no name of a rule, a rule that is there twice, or never.
    """
    rules: dict[str, str] = {}
    for line in filter(None, grammar.split("\n")):
        name, sign, body = line.partition(" ::= ")
        if not sign or not re.fullmatch(_NAME, name) or name in rules:
            raise NotPlain(f"{line[:60]!r}: no rule, or one twice")
        rules[name] = body
    return [
        (_decoded(sign),) if sign.startswith('"') else _alternatives(rules.get(sign, ""))
        for sign in _signs(rules.get("root", ""), rf"(?:{_plain(_LITERAL)}|{_NAME})", " ")
    ]


def _alternatives(body: str) -> tuple[str, ...]:
    return tuple(map(_decoded, _signs(body, _plain(_LITERAL), " | ")))


def _signs(body: str, sign: str, between: str) -> list[str]:
    """The signs of a rule's body, which holds nothing else."""
    if not re.fullmatch(rf"{sign}(?:{re.escape(between)}{sign})*", body):
        raise NotPlain(f"{body[:60]!r}: not only signs with {between!r} between")
    return re.findall(sign, body)


def _plain(pattern: str) -> str:
    """Without names of groups, so that it may stand several times."""
    return re.sub(r"\(\?P<\w+>", "(?:", pattern)


def _decoded(literal: str) -> str:
    def meant(match: re.Match[str]) -> str:
        if match["plain"]:
            return match["plain"]
        if match["blank"]:
            return _BLANKS[match["blank"]]
        return chr(int(match["x"] or match["u"] or match["U"], 16))

    return _ESCAPE.sub(meant, literal[1:-1])
