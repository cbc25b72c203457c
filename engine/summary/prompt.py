"""What a language model is asked, as chat messages.

With a grammar the question is the same for all facts of a style: the grammar holds every number and name, no name of a
stranger reaches the model but as a part of the text itself, and the whole question stays in the model's cache from one
summary to the next. Free text needs the facts. What the template says of them is as short as they can be told, names
nothing that could be mistaken, and has the words that the verifier reads: the model is to say the same in its own way.
"""

from collections.abc import Mapping
from typing import Final, Literal

from phenostream.engine.errors import BadConfig
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import first
from phenostream.engine.summary.wording import STYLES, Style, plan_of

Mode = Literal["grammar", "free"]
FREE_LANGUAGE: Final = "en"
"""The only language of free text: what checks it reads no other."""
_ASK: Final[Mapping[str, Mapping[Style, str]]] = {
    "en": {
        "bedside": "Write a clear and calm summary of the cells, in two or three plain sentences.",
        "lab": "Write a precise laboratory summary of the cells, in plain sentences.",
        "line": "Write a summary of the cells in one plain sentence.",
    },
    "de": {
        "bedside": "Fasse die Zellen klar und ruhig in zwei oder drei einfachen Sätzen zusammen.",
        "lab": "Fasse die Zellen genau, wie in einem Laborbericht, in einfachen Sätzen zusammen.",
        "line": "Fasse die Zellen in einem einfachen Satz zusammen.",
    },
}
_FREE: Final = (
    "Tell all the facts that you are given in your own words, and nothing else. Copy every number "
    "and every name exactly. Compute nothing, explain nothing, advise nothing."
)


def messages(facts: Facts, style: Style, language: str, mode: Mode) -> list[dict[str, str]]:
    """The chat that asks for one summary.

    Returns:
        Messages with ``role`` and ``content``; those of the grammar mode do not depend on the facts.

    Raises:
        BadConfig: No such style, language or mode, or free text in another language than English.
    """
    if style not in STYLES:
        raise BadConfig(f"style: {style!r}, allowed {', '.join(STYLES)}")
    if language not in _ASK:
        raise BadConfig(f"language: {language!r}, allowed {', '.join(_ASK)}")
    if mode == "grammar":
        return [{"role": "user", "content": _ASK[language][style]}]
    if mode != "free":
        raise BadConfig(f"mode: {mode!r}, allowed grammar, free")
    if language != FREE_LANGUAGE:
        raise BadConfig(f"language: {language!r}, allowed for free text: {FREE_LANGUAGE}")
    return [
        {"role": "system", "content": f"{_ASK[language][style]} {_FREE}"},
        {"role": "user", "content": _told(facts, style)},
    ]


def _told(facts: Facts, style: Style) -> str:
    """The template's words without the caveat, which whoever asks puts behind every text."""
    *said, _ = plan_of(facts, style, FREE_LANGUAGE)
    return first(tuple(said)).strip()
