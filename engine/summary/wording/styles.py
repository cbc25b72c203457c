"""What each style says, in which order; the words are the language's.

``bedside``: two or three sentences for whoever stands at the microscope, about 60 words: first what would mislead if
it were left out, then as much of the rest as fits. ``lab``: everything. ``line``: one sentence. Each ends with the
caveat.
"""

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan, one_of
from phenostream.engine.summary.wording.language import Language

MOST_WORDS = 60
"""Of a bedside summary without its caveat, in the longest of its texts, unless what must be said is longer."""
_STOP = (one_of(". "),)


def bedside(facts: Facts, language: Language) -> Plan:
    """Two or three sentences."""
    sentences = [language.found(facts)]
    if facts.flagged.frames:
        sentences.append(language.flagged(facts.flagged))
    if facts.classified and facts.classes:
        sentences.append(_classified(facts, language, sentences))
        sentences += _markers(facts, language, sentences)
    return _text(sentences, facts, language)


def lab(facts: Facts, language: Language) -> Plan:
    """Everything the facts hold."""
    sentences = [language.found(facts)]
    if facts.flagged.frames:
        sentences.append(language.flagged(facts.flagged))
    if facts.classified and facts.classes:
        shares = language.shares(facts) + language.confidence(facts)
        sentences.append(shares + (language.unusual(facts) if facts.unusual else ()))
        largest = max(facts.classes, key=lambda one: one.count)
        sentences.append(language.estimates(facts, largest))
        sentences.append(language.unchecked(facts))
    return _text([one for one in sentences if one], facts, language)


def line(facts: Facts, language: Language) -> Plan:
    """One sentence."""
    return _text([language.line(facts)], facts, language)


def words_of(plan: Plan) -> int:
    """Words of the longest text, as spaces divide them; slots are not divided within a word."""
    return sum(max(text.count(" ") for text in slot.alternatives) for slot in plan) + 1


def _classified(facts: Facts, language: Language, before: list[Plan]) -> Plan:
    room = MOST_WORDS - sum(map(words_of, before))
    said = language.composition(facts, interval=True)
    if words_of(said) > room:
        said = language.composition(facts, interval=False)
    unusual = language.unusual(facts) if facts.unusual else ()
    for more in (language.confidence(facts), unusual):
        if words_of(said + more) <= room or (more is not unusual and not facts.calibrated):
            said += more
    return said


def _markers(facts: Facts, language: Language, before: list[Plan]) -> list[Plan]:
    """Medians of the largest class, of markers that are one protein first, as many as fit; two at most."""
    largest = max(facts.classes, key=lambda one: one.count)
    markers = sorted(largest.markers, key=lambda one: "/" in one.name)
    room = MOST_WORDS - sum(map(words_of, before))
    for many in (2, 1):
        said = language.medians(facts, largest, markers[:many])
        if markers and words_of(said) <= room:
            return [said]
    return []


def _text(sentences: list[Plan], facts: Facts, language: Language) -> Plan:
    told = tuple(slot for sentence in sentences for slot in (*sentence, *_STOP))
    return (*told, *language.caveat(facts))
