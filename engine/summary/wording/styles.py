"""What each style says, in which order; the words are the language's.

``bedside``: two or three sentences for whoever stands at the microscope, about 60 words: first what would mislead if
it were left out, then what changed, then as much of the rest as fits. ``lab``: everything. ``line``: one sentence. Each
ends with the caveat.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from phenostream.engine.summary.facts import ClassFacts, Facts
from phenostream.engine.summary.plan import Plan, one_of
from phenostream.engine.summary.wording.changed import changed
from phenostream.engine.summary.wording.language import Language

MOST_WORDS: Final = 60
"""Of a bedside summary without its caveat, in the longest of its texts, unless what must be said is longer."""
_MOST_CHANGES: Final = 3
_FEW_KINDS: Final = 2
"""Kinds of flags beyond which the bedside style tells none of them."""
_STOP: Final = (one_of(". "),)


def bedside(facts: Facts, language: Language) -> Plan:
    """Two or three sentences, and one more of a model that counts all it sees as white cells."""
    sentences = [language.cells.found(facts) + _flagged(facts, language, few=_FEW_KINDS)]
    if facts.classified and facts.classes:
        sentences.append(language.classes.composition(facts, interval=False))
        if not facts.calibrated:
            sentences[1] += language.classes.confidence(facts)
    drifted = [language.changes.drift(one) for one in facts.drift if one.beyond]
    uncertain = facts.classified and not facts.rejects
    last = [language.cells.unchecked(facts, briefly=True)] if uncertain else []
    must = [*drifted, *last]
    changes = _changes(facts, language, _room([*sentences, *must]))
    if facts.classified and facts.classes:
        sentences[1] = _fuller(facts, language, _room([sentences[0], *must, *changes]))
    sentences += drifted
    sentences += changes or _medians(facts, language, _room([*sentences, *last]))
    return _text([*sentences, *last], facts, language)


def lab(facts: Facts, language: Language) -> Plan:
    """Everything, but for quartiles and the confidence of each class; medians alone of any class but the largest."""
    sentences = [language.cells.found(facts) + _flagged(facts, language)]
    judged = facts.classified + facts.rejected
    if facts.rejects and judged and (facts.rejected_low, facts.rejected_high) != (0.0, 1.0):
        sentences.append(language.cells.reject_rate(facts))
    if facts.classified and facts.classes:
        composition = language.classes.shares(facts) + language.classes.confidence(facts)
        if facts.unusual is not None:
            composition += language.classes.unusual(facts, interval=True)
        sentences.append(composition)
        sentences += _by_class(facts, language)
    sentences += [language.changes.full(facts, one) for one in facts.comparisons]
    if any(one.tests for one in facts.comparisons):
        sentences.append(language.changes.reservation(facts.comparisons[0]))
    sentences += [language.changes.drift(one) for one in facts.drift]
    if facts.classified and (not facts.rejects or facts.unusual is None):
        sentences.append(language.cells.unchecked(facts))
    sentences.append(language.cells.origin(facts))
    return _text(sentences, facts, language)


def line(facts: Facts, language: Language) -> Plan:
    """One sentence."""
    said = language.cells.line(facts)
    if facts.classified:
        said += language.classes.confidence(facts)
    said += _flagged(facts, language, few=_FEW_KINDS)
    for one in facts.drift:
        if one.beyond:
            said += (one_of("; "), *_within(language.changes.drift(one)))
    return _text([said], facts, language)


def words_of(plan: Plan) -> int:
    """Words of the longest text, as spaces divide them; ``64.9 %`` is one."""
    return sum(max(map(_gaps, slot.alternatives)) for slot in plan) + 1


def _gaps(text: str) -> int:
    return text.count(" ") - text.count(" %")


def _within(sentence: Plan) -> Plan:
    """The same behind a semicolon."""
    head, *rest = sentence
    return (one_of(*(text[0].lower() + text[1:] for text in head.alternatives)), *rest)


def _flagged(facts: Facts, language: Language, few: int | None = None) -> Plan:
    """Flagged frames, if there are any; with their kinds where these are few, or always."""
    kinds = sum(1 for kind, frames in asdict(facts.flagged).items() if frames and kind != "frames")
    if not facts.flagged.frames:
        return ()
    return language.cells.flagged(facts, kinds=few is None or kinds <= few)


def _room(sentences: Sequence[Plan]) -> int:
    return MOST_WORDS - sum(map(words_of, sentences))


def _changes(facts: Facts, language: Language, room: int) -> list[Plan]:
    """One sentence for what changed, against the first of the others where something did; as many as fit, one at least.

    Where nothing changed, that is told of the first of them, if there is room.
    """
    others = sorted(facts.comparisons, key=lambda one: not one.changed)
    if not others:
        return []
    ranked = changed(others[0])[:_MOST_CHANGES]
    for many in range(len(ranked), -1, -1):
        said = language.changes.headline(facts, others[0], ranked[:many])
        if words_of(said) <= room or (ranked and many == 1):
            return [said]
    return []


def _fuller(facts: Facts, language: Language, room: int) -> Plan:
    """The composition with as much beside it as fits: first the confidence, or it would read as the unusual cells'."""
    said = language.classes.composition(facts, interval=True)
    least = language.classes.confidence(facts) if not facts.calibrated else ()
    if words_of(said + least) > room:
        said = language.classes.composition(facts, interval=False)
    said += least
    unusual = language.classes.unusual(facts, interval=False) if facts.unusual else ()
    if words_of(said + unusual) > room:
        unusual = ()
    confidence = () if least else language.classes.confidence(facts)
    if words_of(said + confidence + unusual) > room:
        confidence = ()
    return said + confidence + unusual


def _medians(facts: Facts, language: Language, room: int) -> list[Plan]:
    """Medians of the largest class, of markers that are one protein first, as many as fit; two at most."""
    sizes = _by_size(facts)
    if not sizes:
        return []
    largest = sizes[0]
    markers = sorted(largest.markers, key=lambda one: one.pooled)
    for many in range(min(2, len(markers)), 0, -1):
        said = language.markers.medians(facts, largest, markers[:many])
        if words_of(said) <= room:
            return [said]
    return []


def _by_class(facts: Facts, language: Language) -> list[Plan]:
    """Markers: all that is known of the largest class, the medians of the others."""
    phrases = language.markers
    return [
        phrases.medians(facts, one, one.markers) if place else phrases.estimates(facts, one)
        for place, one in enumerate(_by_size(facts))
    ]


def _by_size(facts: Facts) -> list[ClassFacts]:
    """The classes with markers, largest first."""
    return sorted((one for one in facts.classes if one.markers), key=lambda one: -one.count)


def _text(sentences: Sequence[Plan], facts: Facts, language: Language) -> Plan:
    told = tuple(slot for sentence in sentences for slot in (*sentence, *_STOP))
    return (*told, *language.cells.caveat(facts))
