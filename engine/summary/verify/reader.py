"""Reads a text from left to right, phrase by phrase, and notes what the facts do not support.

At every place the longest phrase that a rule knows is taken, held against the facts, and read on behind it. What no
rule knows must be one of a few words that say nothing (`vocabulary.GLUE`); anything else is a fault. So nothing is
overlooked: every number, every name and every word of a text without faults was part of a claim that was checked, or
says nothing.
"""

import re
from typing import Final

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.verify import obligations, vocabulary
from phenostream.engine.summary.verify.fault import LONGEST_QUOTED, Fault
from phenostream.engine.summary.verify.names import Lexicon
from phenostream.engine.summary.verify.pattern import Coded, Phrase
from phenostream.engine.summary.verify.reading import Reading
from phenostream.engine.summary.verify.rules import RULES, WORDS, Rule
from phenostream.engine.summary.verify.rules.changes import AGAINST, CHANGES
from phenostream.engine.summary.verify.tokens import Token, tokens_of

LONGEST: Final = 8000
"""Characters of a text that is read at all: several times the longest summary of a usual model."""
_COMPARING: Final = frozenset(rule.check for rule in CHANGES)
_LONGEST_END: Final = 16
"""Tokens of what a sentence compares with, and more."""
MOST_FAULTS: Final = 50
"""Faults that are told of one text."""
_RESERVED: Final = WORDS | vocabulary.GLUE | vocabulary.DIAGNOSES | vocabulary.UNITS


def faults_of(text: str, facts: Facts) -> list[Fault]:
    """What in a text the facts do not support; see `phenostream.engine.summary.verify.faults`."""
    if len(text) > LONGEST:
        return [Fault("length", f"{text[: LONGEST_QUOTED - 1]}…", f"{LONGEST} characters")]
    tokens, faults = tokens_of(text, Lexicon.of(facts, _RESERVED))
    reading = Reading(facts, text)
    reading.faults += faults
    coded = Coded(tokens)
    reading.tokens = tokens
    place = 0
    while place < len(tokens) and len(reading.faults) < MOST_FAULTS:
        place = _read(reading, coded, place)
    reading.end_sentence(len(tokens))
    reading.faults += obligations.unmet(reading)
    return reading.faults[:MOST_FAULTS]


def _read(reading: Reading, coded: Coded, place: int) -> int:
    """Read one phrase or one word; the place behind it."""
    if place == reading.begin:
        _look_ahead(reading, coded, place)
    if (last := reading.sentence.last) is not None and place == last.first:
        return last.end
    known = [
        (phrase, rule)
        for rule in RULES
        if rule.when(reading.sentence) and (phrase := coded.match(rule.pattern, place))
    ]
    if known:
        phrase, rule = max(known, key=lambda one: one[0].end)
        _hold(reading, phrase, rule)
        return phrase.end
    token = coded.tokens[place]
    if _is_stop(token):
        reading.end_sentence(place)
    elif token.kind in ("word", "mark") and token.text in vocabulary.GLUE:
        _pass(reading, token)
    else:
        _refuse(reading, token)
    return place + 1


def _look_ahead(reading: Reading, coded: Coded, begin: int) -> None:
    """A sentence that ends with what it compares with says the same as one that begins with it."""
    stops = (place for place in range(begin, len(coded.tokens)) if _is_stop(coded.tokens[place]))
    end = next(stops, len(coded.tokens))
    for place in range(max(begin + 1, end - _LONGEST_END), end):
        for rule in AGAINST:
            phrase = coded.match(rule.pattern, place)
            if phrase is not None and phrase.end == end:
                reading.sentence.last = phrase
                rule.check(reading, phrase)
                return


def _is_stop(token: Token) -> bool:
    return token.text == "." and token.kind == "mark"


def _hold(reading: Reading, phrase: Phrase, rule: Rule) -> None:
    sentence = reading.sentence
    licensed, sentence.licensed = sentence.licensed, False
    if rule.bare and not (licensed or sentence.descending):
        reading.refuse("binding", phrase, "a class with its count, share or another claim")
    if sentence.against is not None and not rule.bare and rule.check not in _COMPARING:
        reading.refuse("comparison", phrase, "changes alone, in a sentence that compares")
    if sentence.bound is not None and not rule.inside:
        name = reading.of_class(sentence.bound).name
        reading.refuse("binding", phrase, f"in this place: claims about {name}")
    sentence.recent = None
    if any(token.kind in ("number", "percent") for token in phrase.tokens):
        reading.once(phrase, rule.check, follows=rule.follows)
    if not rule.follows:
        sentence.told = sentence.marker = None
    rule.check(reading, phrase)


def _pass(reading: Reading, token: Token) -> None:
    """A word or mark that says nothing; some end what numbers belong to."""
    sentence = reading.sentence
    sentence.licensed = False
    recent, sentence.recent = sentence.recent, None
    if token.text == "(":
        sentence.bound, sentence.closer = sentence.bound if recent is None else recent, ")"
    elif token.text == ":" and recent is not None and recent == sentence.told:
        sentence.bound, sentence.closer = recent, ","
    elif sentence.bound is not None and token.text in _closers(sentence.closer):
        sentence.bound = None
    if token.text in vocabulary.FRESH and sentence.bound is None:
        sentence.within = False
        if (named := reading.last_named()) != "all":
            sentence.antecedent = named
        if sentence.subject in ("class", "other"):
            sentence.subject = "all"


def _closers(closer: str) -> tuple[str, ...]:
    """A parenthesis ends what it binds; behind a colon a comma or a semicolon does."""
    return (")",) if closer == ")" else (",", ";")


def _refuse(reading: Reading, token: Token) -> None:
    reading.sentence.licensed = False
    if token.kind in ("number", "percent"):
        reading.refuse("number", token, "numbers that are bound to a fact")
    elif token.kind in ("class", "marker", "unit", "name"):
        reading.refuse("binding", token, "a name with the claim that is made of it")
    elif re.match(r"cd-?$|hla|ig[gmad]?$", token.text):
        reading.refuse("marker", token, "markers of the facts")
    else:
        kind, allowed = vocabulary.kind_of(token.text)
        reading.refuse(kind, token, allowed)
