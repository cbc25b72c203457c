"""What a language model is asked, as chat messages.

With a grammar the question is the same for all facts of a style: the grammar holds every number and name, no name of a
stranger reaches the model but as a part of the text itself, and the whole question stays in the model's cache from one
summary to the next. Free text needs the facts: they are told line by line, names as every summary shows them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Final, Literal

from phenostream.engine.errors import BadConfig
from phenostream.engine.summary.changes import Comparison, MarkerChange
from phenostream.engine.summary.facts import ClassFacts, Facts, MarkerFacts
from phenostream.engine.summary.plan import first
from phenostream.engine.summary.wording import STYLES, Style
from phenostream.engine.summary.wording.changed import changed, told_of
from phenostream.engine.summary.wording.english import ENGLISH
from phenostream.engine.summary.wording.english.words import (
    NUMBERS,
    cells,
    quoted,
    share_interval,
    unit,
)
from phenostream.engine.summary.wording.english.words import marker as marker_words
from phenostream.engine.summary.wording.names import with_shown_names

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
_FATES: Final = {
    "rejected": "rejected as not a white cell",
    "edge": "at a frame's edge",
    "over_limit": "beyond the limit per frame",
    "failed": "lost to a fault of the engine",
}
_CLASSES_WITH_MARKERS: Final[Mapping[Style, int | None]] = {"bedside": 1, "lab": None, "line": 0}
"""How many of the largest classes; None: all."""
_SHARES: Final = {
    "rejected": "reject rate",
    "unusual": "share of cells unlike the training cells",
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
        {"role": "user", "content": "\n".join(_told(with_shown_names(facts), style))},
    ]


def _told(facts: Facts, style: Style) -> Iterator[str]:
    """The facts that the style has room for, one a line; names in them are fit to be shown.

    What is read costs time: a model that may write freely is large, and the box has other work.
    """
    yield f"frames: {facts.frames:,}"
    if facts.account is not None:
        account = {fate: count for fate, count in asdict(facts.account).items() if count}
        yield "of the run's frames: " + ", ".join(f"{fate} {n:,}" for fate, n in account.items())
    if facts.by_other_models:
        yield f"frames seen by another model, not in these facts: {facts.by_other_models:,}"
    yield f"cells found: {facts.found:,}"
    yield f"classified: {facts.classified:,}"
    for fate, words in _FATES.items():
        if count := getattr(facts, fate):
            yield f"{words}: {count:,}"
    if flagged := {kind: count for kind, count in asdict(facts.flagged).items() if count}:
        yield "flagged: " + ", ".join(f"{kind} {count:,}" for kind, count in flagged.items())
    for one in facts.classes:
        yield _class(one)
    largest = sorted(facts.classes, key=lambda one: -one.count)[: _CLASSES_WITH_MARKERS[style]]
    for one in largest:
        for marker in one.markers:
            yield _marker(one, marker, facts.marker_unit)
    if facts.mean_confidence is not None:
        yield f"mean confidence: {NUMBERS.percent(facts.mean_confidence)}"
    if not facts.calibrated:
        yield "probabilities are uncalibrated"
    if facts.unusual is not None and facts.unusual_share is not None:
        share = NUMBERS.percent(facts.unusual_share)
        yield f"unlike the training cells: {facts.unusual:,} ({share})"
    for comparison in facts.comparisons:
        yield from _compared(comparison, facts)
    for drift in facts.drift:
        if drift.beyond:
            yield f"drift: {first(ENGLISH.changes.drift(drift))}"


def _class(one: ClassFacts) -> str:
    share = NUMBERS.percent(one.share)
    return f"{cells(one.name)}: {one.count:,}, {share} ({share_interval(one.share_low, one.share_high)})"


def _marker(one: ClassFacts, marker: MarkerFacts, unit_name: str) -> str:
    value = NUMBERS.value(marker.median)
    return f"median {marker_words(marker.name)} of {cells(one.name)}: {value} (unit: {unit(unit_name)})"


def _compared(comparison: Comparison, facts: Facts) -> Iterator[str]:
    """What changed against one other population, or that nothing is shown to have."""
    previous = comparison.against == "previous"
    other = "the previous window" if previous else f"the reference {quoted(comparison.name)}"
    if comparison.synthetic and not facts.source_synthetic:
        other += " (simulated cells)"
    changes = changed(comparison)
    if comparison.obstacle is not None:
        yield f"not compared with {other}: {comparison.obstacle}"
    elif not changes:
        tested = told_of(comparison, "unclear")
        why = "no change is shown" if tested else "too few cells"
        yield f"compared with {other}: {why}"
    for one in changes:
        way = "higher" if one.verdict == "up" else "lower"
        if isinstance(one, MarkerChange):
            of = f"{marker_words(one.name)} of {cells(one.class_name)}"
            yield f"compared with {other}: {of} tends {way}"
        else:
            before, now = NUMBERS.percents(one.before, one.now)
            of = f"share of {cells(one.name)}" if one.of == "class" else _SHARES[one.of]
            yield f"compared with {other}: {of} {way}, {now}, there {before}"
