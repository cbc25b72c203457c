"""Which class is the largest, which holds a majority, and which has more cells than another."""

from typing import Final

from phenostream.engine.summary.facts import ClassFacts
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading, Sentence
from phenostream.engine.summary.verify.rules.parts import (
    AS,
    GROUP,
    MAKE,
    OF,
    WERE,
    divisible,
    named,
    scope,
    whole,
)
from phenostream.engine.summary.verify.rules.rule import rules

_MOSTLY: Final = "(mostly|mainly|predominantly|primarily|largely|chiefly)"
_COMMON: Final = "(common|frequent|abundant|numerous|prevalent)"

_NO_OTHER: Final = "?! (and|or|plus) [the] {c3}"


def _majority(r: Reading, phrase: Phrase) -> None:
    if divisible(r, phrase):
        one = r.of_class(phrase.token("c").index)
        cells = whole(r, phrase)
        r.true(2 * one.count > cells, "superlative", phrase, f"{one.count:,} of {cells:,} cells")
    r.sentence.licensed = True


def _all_of(r: Reading, phrase: Phrase) -> None:
    if divisible(r, phrase):
        one = r.of_class(phrase.token("c").index)
        cells = whole(r, phrase)
        r.true(one.count == cells, "superlative", phrase, f"{one.count:,} of {cells:,} cells")
    r.sentence.licensed = True


def _majority_named(r: Reading, phrase: Phrase) -> None:
    scope(r, phrase)
    _majority(r, phrase)
    _licensed(r, phrase)


def _no_majority(r: Reading, phrase: Phrase) -> None:
    if divisible(r, phrase):
        held = r.facts.majority
        name = held.name if held else "none"
        r.true(held is None and r.facts.classified > 0, "superlative", phrase, f"majority: {name}")


def _is_majority(r: Reading, phrase: Phrase) -> None:
    """Said behind the parenthesis of the one class that was named."""
    one = r.of_class(r.sentence.classes[0])
    cells = r.facts.classified if phrase.contains("classified") else r.facts.found
    r.true(2 * one.count > cells, "superlative", phrase, f"{one.count:,} of {cells:,} cells")


def _largest(r: Reading, phrase: Phrase) -> None:
    one = _ranked(r, phrase)
    others = [other.count for other in r.facts.classes if other is not one]
    r.true(one.count > max(others, default=0), "superlative", phrase, _order(r))


def _smallest(r: Reading, phrase: Phrase) -> None:
    one = _ranked(r, phrase)
    others = [other.count for other in r.facts.classes if other is not one]
    r.true(one.count < min(others, default=0), "superlative", phrase, _order(r))


def _largest_named(r: Reading, phrase: Phrase) -> None:
    _largest(r, phrase)
    _licensed(r, phrase)


def _smallest_named(r: Reading, phrase: Phrase) -> None:
    _smallest(r, phrase)
    _licensed(r, phrase)


def _licensed(r: Reading, phrase: Phrase) -> None:
    """The class stood before what was said of it."""
    named(r, phrase)
    r.sentence.licensed = False
    r.about("class")


def _ranked(r: Reading, phrase: Phrase) -> ClassFacts:
    divisible(r, phrase, "class")
    r.sentence.licensed = True
    return r.of_class(phrase.token("c").index)


def _order(r: Reading) -> str:
    ordered = sorted(r.facts.classes, key=lambda one: -one.count)
    return ", ".join(f"{one.name} {one.count:,}" for one in ordered)[:120]


def _more(r: Reading, phrase: Phrase) -> None:
    one, other = named(r, phrase), named(r, phrase, "c2")
    r.true(one.count > other.count, "comparison", phrase, _order(r))


def _fewer(r: Reading, phrase: Phrase) -> None:
    one, other = named(r, phrase), named(r, phrase, "c2")
    r.true(one.count < other.count, "comparison", phrase, _order(r))


def _equal(r: Reading, phrase: Phrase) -> None:
    one, other = named(r, phrase), named(r, phrase, "c2")
    r.true(one.count == other.count, "comparison", phrase, _order(r))


def _descend(r: Reading, phrase: Phrase) -> None:
    follows = bool(r.sentence.classes)
    r.sentence.descending = r.true(follows, "binding", phrase, "a class before and behind it")


def _is_alone(sentence: Sentence) -> bool:
    return len(set(sentence.classes)) == 1 and sentence.subject == "class"


RANKS: Final = (
    *rules(
        _majority,
        f"[{WERE}] {_MOSTLY} [the] ?= {{c}}",
        f"[{WERE}] dominated by [the] ?= {{c}}",
        f"[(the|a)] majority [{OF}] ({WERE}|:|being|belong to|belongs to) [the] ?= {{c}}",
        f"[(the|a)] majority of (these|the) classified cells ({WERE}|belong to|belongs to) [the] ?= {{c}}",
        f"(most|more than half) [{OF}] {AS} [the] ?= {{c}}",
        f"most [classified] cells {AS} [the] ?= {{c}}",
        "with [(a|the)] majority of ?= {c}",
    ),
    *rules(
        _majority_named,
        f"{{c}} [({MAKE}|hold|held|being|as|in)] [(the|a)] (majority|more than half) [{OF}]",
        "{c} (predominate|predominated|dominate|dominated) [the (sample|population|window|run)]",
    ),
    *rules(
        _is_majority,
        f"({WERE}|form|formed|make up|made up) [(the|a)] (majority|more than half) [{OF}]",
        when=_is_alone,
    ),
    *rules(_all_of, "all ?= {c}"),
    *rules(
        _no_majority,
        "no [single] class [(is|was|has|had|holds|held|forms|formed|with|reached|reaches|makes up|made up)] "
        f"[(a|the)] (majority|more than half) [{OF}]",
        "no [single] class (dominates|dominated|predominates|predominated)",
        "(without a|no|with no) [clear] majority [class]",
    ),
    *rules(
        _largest,
        f"[the] most {_COMMON} [({GROUP}|cells)] [({WERE}|:|being)] [the] ?= [{{x}}] {{c}}",
        f"[the] largest {GROUP} [({WERE}|:|being)] [(the|that of [the])] ?= [{{x}}] {{c}}",
    ),
    *rules(
        _largest_named,
        f"{{c}} [({WERE}|being|as|form|formed)] [the] (most {_COMMON}|largest) [{GROUP}]",
    ),
    *rules(
        _smallest,
        f"[the] (least {_COMMON}|rarest) [({GROUP}|cells)] [({WERE}|:|being)] [the] ?= [{{x}}] {{c}}",
        f"[the] smallest {GROUP} [({WERE}|:|being)] [(the|that of [the])] ?= [{{x}}] {{c}}",
        f"[the] fewest [cells] [({WERE}|being)] ?= {{c}}",
    ),
    *rules(
        _smallest_named,
        f"{{c}} [({WERE}|being|as|form|formed)] [the] (least {_COMMON}|rarest|smallest) [{GROUP}]",
    ),
    *rules(
        _more,
        f"more {{c}} than {{c2}} {_NO_OTHER}",
        f"[the] {{c}} (outnumber|outnumbered) [the] {{c2}} {_NO_OTHER}",
        f"{{c}} {WERE} more {_COMMON} than {{c2}} {_NO_OTHER}",
    ),
    *rules(
        _fewer,
        f"fewer {{c}} than {{c2}} {_NO_OTHER}",
        f"{{c}} {WERE} (less {_COMMON}|rarer) than {{c2}} {_NO_OTHER}",
    ),
    *rules(_equal, "as many {c} as {c2}", f"{{c}} and {{c2}} {WERE} equally {_COMMON}"),
    *rules(_descend, "followed by [the]", "then [the] ?= [{x}] {c}", "ahead of [the] ?= [{x}] {c}"),
)
