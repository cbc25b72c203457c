"""Marker values of a class: medians, spreads, units, and in which class a marker is highest."""

from typing import Final

from phenostream.engine.summary.facts import ClassFacts, MarkerFacts
from phenostream.engine.summary.verify.names import marker_names
from phenostream.engine.summary.verify.numerals import rounds_to
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading, Sentence
from phenostream.engine.summary.verify.rules.parts import is_joined
from phenostream.engine.summary.verify.rules.rule import rules

_SIGNAL: Final = (
    "(signal|signals|level|levels|expression|estimate|estimates|value|values|intensity)"
)
_MEDIAN: Final = (
    f"[(the|its|their|a)] [estimated] (median|medians) [(estimated|estimate)] [marker] [{_SIGNAL}]"
)
_POOLED: Final = "< pooled , cannot be separated >"
_IS: Final = "(is|was|are|were|of|at|:|=|being|,)"
_IN: Final = "(in|of|for|among|on)"
_HAVE: Final = "(had|have|has|show|showed|shows|with|carried|carry)"
_OF_ONE: Final = "of ({n3}|a single) [such] cell"
"""``one`` is a number: see `_one_cell`."""
_ENDS: Final = "{n} (to|-|and) {n2}"


def _opened(r: Reading, phrase: Phrase) -> ClassFacts:
    """The markers of a class are about to be told."""
    sentence = r.sentence
    one = r.name(phrase, phrase.token("c").index)
    sentence.scope = phrase.token("c").index
    sentence.median = sentence.median or phrase.contains("median") or phrase.contains("medians")
    if phrase.has("n2"):
        r.count(phrase, "n2", one.count, f"of class {one.name}")
    return one


def _open(r: Reading, phrase: Phrase) -> None:
    if r.sentence.waiting is not None:
        r.refuse("binding", phrase, "one class at a time")
    _alone(r, phrase)
    _opened(r, phrase)
    r.sentence.waiting = phrase


def _medians(r: Reading, phrase: Phrase) -> None:
    r.sentence.median = True


def _marker_of(r: Reading, phrase: Phrase, one: ClassFacts, place: str = "m") -> MarkerFacts | None:
    index = phrase.token(place).index
    if r.true(bool(one.markers), "value", phrase, f"no marker value of {one.name}: no cell"):
        return one.markers[index]
    return None


def _value(r: Reading, phrase: Phrase) -> None:
    """A marker's median, of the class that the phrase or the sentence names."""
    sentence = r.sentence
    sentence.waiting = None
    if phrase.has("c"):
        r.true(
            sentence.scope in (None, phrase.token("c").index),
            "binding",
            phrase,
            "values of the class that the sentence is about",
        )
        _opened(r, phrase)
    elif sentence.scope is None and len(set(sentence.classes)) == 1:
        sentence.scope = sentence.classes[0]
    sentence.median = sentence.median or phrase.contains("median")
    r.true(sentence.median, "statistic", phrase, "medians: say so")
    sentence.marker = phrase.token("m").index
    if sentence.scope is None:
        r.refuse("binding", phrase, "a marker value of one class that is named")
        return
    one = r.of_class(sentence.scope)
    marker = _marker_of(r, phrase, one)
    if marker is not None:
        _pooled(r, phrase)
        r.value(phrase, "n", marker.median, f"median {marker.name} of class {one.name}")


def _pooled(r: Reading, phrase: Phrase) -> None:
    token = phrase.token("m")
    if phrase.contains("pooled"):
        pooled = "/" in marker_names(r.facts)[token.index]
        r.true(pooled, "pool", phrase, "of a pooled marker only")
    if token.text.lower().startswith(("at least one of", "pooled")) or phrase.contains("pooled"):
        r.seen.add(f"pooled {token.index}")
    elif "/" in token.text and f"pooled {token.index}" not in r.seen:
        r.refuse("pool", phrase, "a pooled marker that is called pooled")


def _are_pooled(r: Reading, phrase: Phrase) -> None:
    """Said of the marker told last."""
    place = r.sentence.marker
    names = marker_names(r.facts)
    r.true(place is not None and "/" in names[place], "pool", phrase, "of a pooled marker only")


def _spread(r: Reading, phrase: Phrase) -> None:
    """An interval behind a marker's median."""
    sentence = r.sentence
    if phrase.contains("quartiles") or phrase.contains("interquartile"):
        kind = "quartiles"
    elif phrase.contains("interval"):
        kind = "cell"
    else:
        kind = sentence.spread or ""
    if sentence.scope is None or sentence.marker is None or not kind:
        r.refuse(
            "interval", phrase, "an interval of a kind that is named, behind the value of a marker"
        )
        return
    one = r.of_class(sentence.scope)
    if not one.markers:
        return
    marker = one.markers[sentence.marker]
    _one_cell(r, phrase)
    low, high = (
        (marker.lower_quartile, marker.upper_quartile)
        if kind == "quartiles"
        else (marker.cell_low, marker.cell_high)
    )
    if low is None or high is None:
        r.refuse("interval", phrase, "no interval, for this model has none")
        return
    if phrase.has("p"):
        _coverage(r, phrase)
    r.value(phrase, "n", low, "lower end")
    r.value(phrase, "n2", high, "upper end")


def _coverage(r: Reading, phrase: Phrase) -> None:
    if r.true(r.facts.interval_coverage is not None, "interval", phrase, "no interval"):
        r.share(phrase, "p", r.facts.interval_coverage or 0.0, "nominal coverage")


def _one_cell(r: Reading, phrase: Phrase) -> None:
    if phrase.has("n3"):
        r.count(phrase, "n3", 1, "cell, whose interval it is")


def _cell_interval(r: Reading, phrase: Phrase) -> None:
    _coverage(r, phrase)
    _one_cell(r, phrase)
    r.sentence.spread = "cell"


def _quartiles(r: Reading, phrase: Phrase) -> None:
    r.sentence.spread = "quartiles"


def _no_interval(r: Reading, phrase: Phrase) -> None:
    none = r.facts.interval_coverage is None
    r.true(none, "interval", phrase, "a model that has intervals")


def _unit(r: Reading, phrase: Phrase) -> None:
    return None


def _of_medians(r: Reading, phrase: Phrase) -> None:
    sentence = r.sentence
    _pooled(r, phrase)
    _alone(r, phrase)
    sentence.waiting = None
    sentence.median = sentence.median or phrase.contains("median")
    r.true(sentence.median, "statistic", phrase, "medians: say so")


def _alone(r: Reading, phrase: Phrase) -> None:
    """No other class is joined to the one that has these values."""
    subject = phrase.tokens[0].kind in ("class", "number") or phrase.tokens[0].text == "the"
    r.true(not (subject and is_joined(r, phrase)), "binding", phrase, "values of one class alone")


def _extreme(r: Reading, phrase: Phrase) -> None:
    """Highest or lowest median of a marker among the classes that have cells."""
    one = r.name(phrase, phrase.token("c").index)
    _of_medians(r, phrase)
    marker = _marker_of(r, phrase, one)
    if marker is None:
        return
    index = phrase.token("m").index
    others = [
        other.markers[index].median
        for other in r.facts.classes
        if other.markers and other is not one
    ]
    high = phrase.contains("highest")
    best = all(marker.median > other if high else marker.median < other for other in others)
    r.true(best and bool(others), "superlative", phrase, _order(r, index))


def _compared(r: Reading, phrase: Phrase) -> None:
    """A marker's median in one class against another's."""
    one, other = (r.name(phrase, phrase.token(place).index) for place in ("c", "c2"))
    _of_medians(r, phrase)
    here, there = _marker_of(r, phrase, one), _marker_of(r, phrase, other)
    if here is None or there is None:
        return
    above = phrase.contains("higher") or phrase.contains("more")
    holds = here.median > there.median if above else here.median < there.median
    r.true(holds, "comparison", phrase, _order(r, phrase.token("m").index))


def _order(r: Reading, index: int) -> str:
    having = [one for one in r.facts.classes if one.markers]
    ordered = sorted(having, key=lambda one: -one.markers[index].median)
    return ", ".join(f"{one.name} {one.markers[index].median:.3g}" for one in ordered)[:120]


def _has_marker(sentence: Sentence) -> bool:
    return sentence.marker is not None


def _percentile(r: Reading, phrase: Phrase) -> None:
    """Where the median told last stands in the run before, or in the reference."""
    sentence = r.sentence
    if sentence.scope is None or sentence.marker is None:
        r.refuse("binding", phrase, "a percentile behind the value of a marker")
        return
    markers = r.of_class(sentence.scope).markers
    if not markers:
        return
    marker = markers[sentence.marker]
    of_run = phrase.contains("run")
    fact = marker.run_percentile if of_run else marker.reference_percentile
    token = phrase.token("n")
    told = fact is not None and rounds_to(fact, token.value, token.decimals)
    r.true(told, "value", phrase, f"percentile {fact}")


MARKERS: Final = (
    *rules(
        _open,
        f"{_MEDIAN} {_IN} [the] [{{n2}}] {{c}} [({_IS}|,)]",
        f"{_IN} [the] [{{n2}}] {{c}}",
        f"[the] {{c}} {_HAVE}",
        f"[the] {{n2}} {{c}} {_HAVE} ?= [(the|a|an)] [estimated] (median|medians)",
    ),
    *rules(_medians, f"{_MEDIAN} [{_IS}]"),
    *rules(
        _value,
        f"[{_MEDIAN}] [(of|for)] {{m}} [{_SIGNAL}] [{_IS}] {{n}} [{{u}}]",
        f"{{m}} [median] [{_SIGNAL}] [{_IS}] [a median of] {{n}} [{{u}}]",
        f"{{m}} {_POOLED} [{_IS}] {{n}} [{{u}}]",
        f"[{_MEDIAN}] [(of|for)] {{m}} [{_POOLED}] [{_SIGNAL}] {_IN} [the] [{{n2}}] {{c}} [{_IS}] {{n}} [{{u}}]",
        f"[{_MEDIAN}] [(of|for)] {{m}} [{_POOLED}] [{_SIGNAL}] [{_IS}] {{n}} [{{u}}] {_IN} [the] [{{n2}}] {{c}}",
        f"{_MEDIAN} [(of|for)] {{m}} {_POOLED} [{_SIGNAL}] [{_IS}] {{n}} [{{u}}]",
    ),
    *rules(_are_pooled, _POOLED, "pooled", when=_has_marker, follows=True),
    *rules(
        _spread,
        f"< {_ENDS} ?= (>|;)",
        f"< {_ENDS} >",
        f"< [(the|a|its)] [nominal] [{{p}}] interval [{_OF_ONE}] [(of|from|:|,)] {_ENDS} [{{u}}] >",
        f"[(with|and)] [(the|a|an|its)] [nominal] [{{p}}] interval [{_OF_ONE}] [(of|from|:|,)] {_ENDS} [{{u}}]",
        f"< (quartiles|interquartile range) [(of|from|:|,)] {_ENDS} [{{u}}] >",
        f"[(with|and)] [(the|an|its)] (quartiles|interquartile range) [(of|from|:|,)] {_ENDS} [{{u}}]",
        when=_has_marker,
        follows=True,
    ),
    *rules(
        _percentile,
        "[(at the|the)] percentile {n} (of|in) (the run before|the run so far|the reference)",
        when=_has_marker,
        follows=True,
    ),
    *rules(
        _cell_interval,
        "[(with|and)] the nominal {p} interval of a single [such] cell",
        "[(with|and)] the nominal {p} interval of {n3} [such] cell",
    ),
    *rules(_quartiles, "with [the] quartiles", "with [(the|their)] interquartile (range|ranges)"),
    *rules(_no_interval, "without an interval [, for this model has none]"),
    *rules(_unit, "< unit : {u} >", "in {u}", "< in {u} >", "unit : {u}", follows=True),
    *rules(
        _extreme,
        f"{{m}} [(pooled)] [{_SIGNAL}] (is|was) (highest|lowest) {_IN} [the] {{c}}",
        f"[the] (highest|lowest) [median] {{m}} [{_SIGNAL}] (is|was) [(that|found)] {_IN} [the] {{c}}",
        f"[the] {{c}} {_HAVE} the (highest|lowest) [median] {{m}} [{_SIGNAL}]",
        f"{_MEDIAN} [(of|for)] {{m}} (is|was) (highest|lowest) {_IN} [the] {{c}}",
    ),
    *rules(
        _compared,
        f"[{_MEDIAN}] [(of|for)] {{m}} [{_SIGNAL}] (is|was) (higher|lower) {_IN} [the] {{c}} than {_IN} [the] {{c2}}",
        f"[the] {{c}} {_HAVE} [a] (higher|lower) [median] {{m}} [{_SIGNAL}] than [the] {{c2}}",
    ),
)
