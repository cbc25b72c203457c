"""What a language model is asked, as chat messages.

With a grammar the question is the same for all facts of a style: the grammar holds every number and name, no name of a
stranger reaches the model but as a part of the text itself, and the whole question stays in the model's cache from one
summary to the next. Free text needs the facts: they are told line by line, names as `shown`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Final, Literal

from phenostream.engine.errors import BadConfig
from phenostream.engine.summary.facts import ClassFacts, Facts, MarkerFacts
from phenostream.engine.summary.wording import STYLES, Style
from phenostream.engine.summary.wording.names import shown

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
    "Use only the facts you are given. Copy numbers and names exactly. Compute nothing, "
    "compare nothing, explain nothing, advise nothing. End with: {caveat}"
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
    caveat = f"{'Synthetic. ' if facts.synthetic else ''}Research use only, not a diagnosis."
    return [
        {"role": "system", "content": f"{_ASK[language][style]} {_FREE.format(caveat=caveat)}"},
        {"role": "user", "content": "\n".join(_told(facts))},
    ]


def _told(facts: Facts) -> Iterator[str]:
    """The facts, one a line."""
    yield f"frames: {facts.frames:,}"
    yield f"cells found: {facts.found:,}"
    yield f"classified: {facts.classified:,}"
    for fate in ("rejected", "edge", "over_limit", "failed"):
        if count := getattr(facts, fate):
            yield f"{fate.replace('_', ' ')}: {count:,}"
    if flagged := {kind: count for kind, count in asdict(facts.flagged).items() if count}:
        yield "flagged: " + ", ".join(f"{kind} {count:,}" for kind, count in flagged.items())
    for one in facts.classes:
        yield _class(one)
    for one in facts.classes:
        for marker in one.markers:
            yield _marker(one, marker, facts.marker_unit)
    if facts.mean_confidence is not None:
        yield f"mean confidence: {100 * facts.mean_confidence:.1f} %"
    if not facts.calibrated:
        yield "probabilities are uncalibrated"
    if facts.unusual is not None and facts.unusual_share is not None:
        yield f"unlike the training cells: {facts.unusual:,} ({100 * facts.unusual_share:.1f} %)"


def _class(one: ClassFacts) -> str:
    interval = f"95 % interval {100 * one.share_low:.1f} % to {100 * one.share_high:.1f} %"
    return f"class {shown(one.name)}: {one.count:,} cells, {100 * one.share:.1f} % ({interval})"


def _marker(one: ClassFacts, marker: MarkerFacts, unit: str) -> str:
    name = ", ".join(map(shown, marker.proteins))
    if marker.pooled:
        name = f"at least one of {name} (cannot be told apart)"
    value = marker.median
    told = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"median {name} of {shown(one.name)}: {told} {shown(unit)}"
