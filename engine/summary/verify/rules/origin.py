"""Where the facts come from: scope, duration, run, instrument, model."""

from typing import Final

from phenostream.engine.summary.verify.names import is_named
from phenostream.engine.summary.verify.numerals import rounds_to
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading, Sentence
from phenostream.engine.summary.verify.rules.rule import rules

_TOLD: Final = "(this describes|these are the facts of|this is told of)"
_LASTING: Final = (
    "[(of {n} (s|second|seconds)|< {n2} (s|second|seconds) >|< below {n4} (s|second|seconds) >)]"
)
_LARGEST_BOUND_S: Final = 0.1
"""Of a duration: that it is below an hour says nothing."""


def _duration(r: Reading, phrase: Phrase) -> None:
    r.sentence.origin = True
    if phrase.has("n4"):
        bound, fact = phrase.token("n4").value, r.facts.duration_s
        told = fact is not None and fact < bound <= _LARGEST_BOUND_S
        r.true(told, "value", phrase, f"{fact} s")
    place = next((place for place in ("n", "n2") if phrase.has(place)), None)
    if place is None:
        return
    token, fact = phrase.token(place), r.facts.duration_s
    told = fact is not None and rounds_to(fact, token.value, token.decimals)
    r.true(told, "value", phrase, f"{fact} s")


def _window(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.scope == "window", "binding", phrase, f"a {r.facts.scope}")
    _duration(r, phrase)


def _run(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.scope == "run", "binding", phrase, f"a {r.facts.scope}")
    _duration(r, phrase)


def _part(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.scope == "part", "binding", phrase, f"a {r.facts.scope}")
    r.count(phrase, "n3", 1, "model")
    _duration(r, phrase)


def _name(r: Reading, phrase: Phrase) -> None:
    names = {"run": r.facts.run, "instrument": r.facts.instrument, "model": r.facts.model}
    what = phrase.tokens[0].text
    r.true(is_named(phrase.token("i").text, names[what]), "binding", phrase, f"the {what}'s name")


def _is_origin(sentence: Sentence) -> bool:
    return sentence.origin


ORIGIN: Final = (
    *rules(_window, f"{_TOLD} a window {_LASTING}"),
    *rules(_run, f"{_TOLD} (the whole run|a run) {_LASTING}"),
    *rules(_part, f"{_TOLD} what {{n3}} model saw [of a run] {_LASTING}"),
    *rules(_name, "(run|instrument|model) {i}", when=_is_origin),
)
