"""How much the numbers are worth: confidence, unusual cells, the reject rate."""

from typing import Final

from phenostream.engine.summary.facts import INTERVAL_COVERAGE
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import DIVISIBLE, Reading
from phenostream.engine.summary.verify.rules.parts import WERE
from phenostream.engine.summary.verify.rules.rule import rules

_ALL_CELLS: Final = "(overall|(of|over) (all [classified] cells|the classified cells))"


def _confidence(r: Reading, phrase: Phrase) -> None:
    """Of all classified cells; where one class alone was named it could be that class's, and has to be both."""
    r.seen.add("confidence")
    sentence, overall = r.sentence, r.facts.mean_confidence
    said_overall = phrase.contains("overall") or phrase.contains("classified")
    if phrase.has("c"):
        one = r.name(phrase, phrase.token("c").index)
        _mean(r, phrase, one.mean_confidence, f"mean confidence of class {one.name}")
        return
    allowed = sentence.subject != "other" or said_overall
    r.true(allowed, "binding", phrase, "the mean confidence of the classified cells")
    _mean(r, phrase, overall, "mean confidence of the classified cells")
    alone = set(sentence.classes) if sentence.bound is None else {sentence.bound}
    some = len(alone) > 1 and r.last_named() == "class" and not said_overall
    r.true(not some, "binding", phrase, "the mean confidence of all classified cells, named so")
    if len(alone) == 1 and not said_overall:
        one = r.of_class(alone.pop())
        _mean(r, phrase, one.mean_confidence, f"mean confidence of class {one.name}")


def _mean(r: Reading, phrase: Phrase, fact: float | None, what: str) -> None:
    if r.true(fact is not None, "value", phrase, f"no {what}, for there is no cell"):
        r.share(phrase, "p", fact or 0.0, what)


def _calibrated(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.calibrated, "calibration", phrase, "uncalibrated")


def _uncalibrated(r: Reading, phrase: Phrase) -> None:
    r.seen.add("uncalibrated")
    r.true(not r.facts.calibrated, "calibration", phrase, "calibrated")


def _unusual(r: Reading, phrase: Phrase) -> None:
    known = r.facts.unusual is not None
    if r.true(known, "count", phrase, "no count of unusual cells, for this model tells none"):
        _of_the_classified(r, phrase)
        if phrase.has("n"):
            r.count(phrase, "n", r.facts.unusual or 0, "unusual cells")
        if phrase.has("p"):
            _unusual_share(r, phrase)
    r.about("other")


def _of_the_classified(r: Reading, phrase: Phrase) -> None:
    """Unusual cells are told of all classified cells: not of a class, nor of those that were rejected."""
    by_pronoun = phrase.contains("these") or phrase.contains("them")
    whose = r.these() if by_pronoun else r.last_named()
    told = phrase.contains("classified") or whose in DIVISIBLE
    r.true(told, "binding", phrase, "unusual cells among all that were classified")


def _unusual_share(r: Reading, phrase: Phrase) -> None:
    r.share(phrase, "p", r.facts.unusual_share or 0.0, "of the classified cells are unusual")
    whose = r.these() if r.refers(phrase) else r.last_named()
    if whose == "found" and not phrase.contains("classified"):
        of_found = (r.facts.unusual or 0) / max(r.facts.found, 1)
        r.share(phrase, "p", of_found, "of the cells found; or name the classified cells")


def _none_unusual(r: Reading, phrase: Phrase) -> None:
    told = r.facts.unusual == 0 and r.facts.classified > 0
    r.true(told, "count", phrase, f"unusual cells: {r.facts.unusual}")
    r.about("other")


def _unusual_interval(r: Reading, phrase: Phrase) -> None:
    r.share(phrase, "p3", INTERVAL_COVERAGE, "is the coverage of the interval of a share")
    low, high = r.facts.unusual_low, r.facts.unusual_high
    if (
        r.true(low is not None, "interval", phrase, "no interval of this share")
        and high is not None
    ):
        r.interval(phrase, low or 0.0, high, ("x", "p2"))


def _unusual_with_interval(r: Reading, phrase: Phrase) -> None:
    _unusual_interval(r, phrase)
    _unusual(r, phrase)


def _judged(r: Reading, phrase: Phrase) -> None:
    """How many cells the model saw: those it classified and those it rejected."""
    r.count(phrase, "n", r.facts.classified + r.facts.rejected, "cells that the model judged")
    r.about("other")


def _reject_rate(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.rejects, "share", phrase, "no reject rate, for this model rejects nothing")
    if phrase.has("n"):
        _judged(r, phrase)
    r.share(phrase, "p", r.facts.rejected_share, "of the classified and rejected")
    if phrase.has("p2"):
        r.share(phrase, "p3", INTERVAL_COVERAGE, "is the coverage of the interval of a share")
        r.interval(phrase, r.facts.rejected_low, r.facts.rejected_high, ("x", "p2"))
    r.about("other")


_JUDGED: Final = "[(the|all)] {n} (cells|cell) that the model judged"
_OWN_INTERVAL: Final = "< {p3} interval {x} (to|-) {p2} >"
_UNLIKE: Final = (
    "(look|looks|looked|appear|appears|appeared|are|were|is|was) (unlike|different from) the training cells",
    "(differ|differs|differed) from the training cells",
    f"[{WERE}] (unusual|out of distribution|out-of-distribution)",
    f"{WERE} flagged as (unusual|out of distribution|out-of-distribution)",
)
_THEM: Final = "(them|these|these cells|the classified cells)"
_SOME: Final = (
    "{n} [< {p} >] [(cells|cell)]",
    "{n} [(cells|cell)] < {p} >",
    f"{{n}} [< {{p}} >] [of {_THEM}]",
    f"{{p}} [of {_THEM}]",
)

QUALITY: Final = (
    *rules(
        _confidence,
        f"[{_ALL_CELLS}] [,] [(at|with)] [(the|a|an)] [(overall|model's)] mean [predicted] (confidence|probability) "
        f"[{_ALL_CELLS}] [(of|is|was|:|at)] {{p}} [{_ALL_CELLS}]",
        "[(at|with)] [(the|a|an)] mean (confidence|probability) (of|in|for) [the] {c} [(is|was|:|at)] [of] {p}",
        inside=True,
    ),
    *rules(_calibrated, "[(is|are|was|were)] calibrated", "after calibration"),
    *rules(_uncalibrated, "[(is|are|was|were)] (uncalibrated|not calibrated)", inside=True),
    *(rule for who in _SOME for unlike in _UNLIKE for rule in rules(_unusual, f"{who} {unlike}")),
    *(
        rule
        for unlike in _UNLIKE
        for rule in rules(
            _none_unusual,
            f"(no cells|no cell|none [of (them|these|the [classified] cells)]) {unlike}",
        )
    ),
    *(
        rule
        for unlike in _UNLIKE
        for rule in rules(
            _unusual_with_interval,
            f"{{n}} < {{p}} (;|,) {{p3}} interval {{x}} (to|-) {{p2}} > [(cells|cell)] {unlike}",
        )
    ),
    *rules(
        _reject_rate,
        f"[the] (reject rate|rejection rate|rejected share) [of {_JUDGED}] "
        f"[(is|was|:|of)] {{p}} [{_OWN_INTERVAL}]",
    ),
    *rules(_judged, f"(of|among) {_JUDGED} [,]"),
)
