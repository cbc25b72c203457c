"""The classes of the classified cells: counts, shares, intervals, and which is the largest."""

from typing import Final

from phenostream.engine.summary.facts import INTERVAL_COVERAGE, ClassFacts
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import DIVISIBLE, Reading, Sentence
from phenostream.engine.summary.verify.rules.rule import rules

_WERE: Final = "(were|are|was|is)"
_AS: Final = f"{_WERE} [(classified as|predicted as|predicted to be|identified as|called|labelled as|assigned to)]"
_OF: Final = "of [(the|all)] [(classified|them|these|which)] [cells]"
_MAKE: Final = (
    "(account for|accounted for|accounting for|make up|made up|making up|represent|represented|comprise|comprised|"
    "constitute|constituted|form|formed|number|numbered|numbering|were|are|was|is|at|with|:|=)"
)
_MOSTLY: Final = "(mostly|mainly|predominantly|primarily|largely|chiefly)"
_COMMON: Final = "(common|frequent|abundant|numerous|prevalent)"
_GROUP: Final = "(class|group|population|type|cell type|cell class|share|fraction|part)"


def _divisible(r: Reading, phrase: Phrase, *also: str) -> bool:
    """Whether the cells last spoken of are divided by class in the facts."""
    return r.true(
        r.sentence.subject in (*DIVISIBLE, *also),
        "binding",
        phrase,
        "classes of the classified cells only",
    )


def _named(r: Reading, phrase: Phrase, place: str = "c") -> ClassFacts:
    _divisible(r, phrase, "class")
    return r.name(phrase, phrase.token(place).index)


def _quantity(r: Reading, phrase: Phrase) -> None:
    """A class with its count, its share, or both; and of how many."""
    one = _named(r, phrase)
    if phrase.has("n"):
        r.count(phrase, "n", one.count, f"of class {one.name}")
    if phrase.has("p"):
        _share(r, phrase, one)
    if phrase.has("n2"):
        _denominator(r, phrase, share=phrase.has("p"))
    r.about("class")


def _share(r: Reading, phrase: Phrase, one: ClassFacts) -> None:
    """A share is of the classified cells; where it could be read as of those found, it has to be that as well."""
    r.share(phrase, "p", one.share, f"of the classified are of class {one.name}")
    if r.sentence.subject == "found" and not phrase.contains("classified"):
        found = one.count / r.facts.found if r.facts.found else 0.0
        r.share(phrase, "p", found, "of the cells found; or name the classified cells")


def _denominator(r: Reading, phrase: Phrase, *, share: bool) -> None:
    whole = r.facts.classified
    if not share and not phrase.contains("classified"):
        whole = r.facts.found if phrase.token("n2").value == r.facts.found else whole
    r.count(phrase, "n2", whole, "cells")


def _bound_quantity(r: Reading, phrase: Phrase) -> None:
    """Numbers in the parenthesis of a class, or behind its colon."""
    one = r.of_class(r.sentence.bound or 0)
    if phrase.has("n"):
        r.count(phrase, "n", one.count, f"of class {one.name}")
    if phrase.has("p"):
        r.share(phrase, "p", one.share, f"of the classified are of class {one.name}")
    if phrase.has("n2"):
        _denominator(r, phrase, share=phrase.has("p"))


def _bind(r: Reading, phrase: Phrase) -> None:
    _named(r, phrase)
    r.sentence.bound, r.sentence.closer = phrase.token("c").index, ","
    r.about("class")


def _none(r: Reading, phrase: Phrase) -> None:
    one = _named(r, phrase)
    r.sentence.recent = None
    r.true(one.count == 0, "count", phrase, f"{one.count:,} of class {one.name}")


def _only(r: Reading, phrase: Phrase) -> None:
    one = _named(r, phrase)
    alone = one.count == r.facts.classified == 1
    if phrase.has("n"):
        r.count(phrase, "n", 1, "cell")
    r.true(alone, "count", phrase, f"{one.count:,} of {r.facts.classified:,} classified cells")
    r.about("class")


def _opened(r: Reading, phrase: Phrase) -> None:
    """A class with its numbers in parentheses, and a claim behind them perhaps."""
    _named(r, phrase)
    r.about("class")


def _is_majority(r: Reading, phrase: Phrase) -> None:
    """Said behind the parenthesis of the one class that was named."""
    one = r.of_class(r.sentence.classes[0])
    whole = r.facts.classified if phrase.contains("classified") else r.facts.found
    r.true(2 * one.count > whole, "superlative", phrase, f"{one.count:,} of {whole:,} cells")


def _some(r: Reading, phrase: Phrase) -> None:
    one = _named(r, phrase)
    r.true(one.count > 0, "count", phrase, f"{one.count:,} of class {one.name}")


def _every(r: Reading, phrase: Phrase) -> None:
    one = _named(r, phrase)
    r.true(one.count == _whole(r, phrase), "count", phrase, f"{one.count:,} of class {one.name}")
    if phrase.has("n"):
        r.count(phrase, "n", one.count, f"of class {one.name}")
    r.about("class")


def _whole(r: Reading, phrase: Phrase) -> int:
    """How many cells a phrase without a number speaks of."""
    named_classified = phrase.contains("classified") or r.sentence.subject == "classified"
    speaks_of_all = phrase.contains("cells") or r.sentence.subject == "found"
    return r.facts.found if speaks_of_all and not named_classified else r.facts.classified


def _majority(r: Reading, phrase: Phrase) -> None:
    if _divisible(r, phrase):
        one = r.of_class(phrase.token("c").index)
        whole = _whole(r, phrase)
        r.true(2 * one.count > whole, "superlative", phrase, f"{one.count:,} of {whole:,} cells")
    r.sentence.licensed = True


def _all_of(r: Reading, phrase: Phrase) -> None:
    if _divisible(r, phrase):
        one = r.of_class(phrase.token("c").index)
        whole = _whole(r, phrase)
        r.true(one.count == whole, "superlative", phrase, f"{one.count:,} of {whole:,} cells")
    r.sentence.licensed = True


def _majority_named(r: Reading, phrase: Phrase) -> None:
    _majority(r, phrase)
    _named(r, phrase)
    r.sentence.licensed = False


def _no_majority(r: Reading, phrase: Phrase) -> None:
    if _divisible(r, phrase):
        held = r.facts.majority
        name = held.name if held else "none"
        r.true(held is None and r.facts.classified > 0, "superlative", phrase, f"majority: {name}")


def _largest(r: Reading, phrase: Phrase) -> None:
    one = _ranked(r, phrase)
    others = [other.count for other in r.facts.classes if other is not one]
    r.true(one.count > max(others, default=0), "superlative", phrase, _order(r))


def _smallest(r: Reading, phrase: Phrase) -> None:
    one = _ranked(r, phrase)
    others = [other.count for other in r.facts.classes if other is not one]
    r.true(one.count < min(others, default=0), "superlative", phrase, _order(r))


def _ranked(r: Reading, phrase: Phrase) -> ClassFacts:
    _divisible(r, phrase, "class")
    r.sentence.licensed = True
    return r.of_class(phrase.token("c").index)


def _order(r: Reading) -> str:
    ordered = sorted(r.facts.classes, key=lambda one: -one.count)
    return ", ".join(f"{one.name} {one.count:,}" for one in ordered)[:120]


def _more(r: Reading, phrase: Phrase) -> None:
    one, other = _named(r, phrase), _named(r, phrase, "c2")
    r.true(one.count > other.count, "comparison", phrase, _order(r))


def _fewer(r: Reading, phrase: Phrase) -> None:
    one, other = _named(r, phrase), _named(r, phrase, "c2")
    r.true(one.count < other.count, "comparison", phrase, _order(r))


def _equal(r: Reading, phrase: Phrase) -> None:
    one, other = _named(r, phrase), _named(r, phrase, "c2")
    r.true(one.count == other.count, "comparison", phrase, _order(r))


def _descend(r: Reading, phrase: Phrase) -> None:
    named = bool(r.sentence.classes)
    r.sentence.descending = r.true(named, "binding", phrase, "a class before and behind it")


def _interval(r: Reading, phrase: Phrase) -> None:
    """A 95 % interval of the share told last."""
    if phrase.has("p2"):
        r.share(phrase, "p2", INTERVAL_COVERAGE, "is the coverage of the interval of a share")
    bound, classes = r.sentence.bound, r.sentence.classes
    if bound is None and not classes:
        r.refuse("binding", phrase, "an interval behind its class")
        return
    one = r.of_class(classes[-1] if bound is None else bound)
    r.interval(phrase, one.share_low, one.share_high)


def _mention(r: Reading, phrase: Phrase) -> None:
    _named(r, phrase)


def _is_bound(sentence: Sentence) -> bool:
    return sentence.bound is not None


def _is_alone(sentence: Sentence) -> bool:
    return len(set(sentence.classes)) == 1 and sentence.subject == "class"


_ENDS: Final = "{x} (to|-|and) {p}"

COMPOSITION: Final = (
    *rules(
        _bound_quantity,
        "{n} [cells] [, {p}]",
        "{n} [(cells|cell)] [of [the] {n2} [classified] [(cells|cell)]] [(,|:|or|;) {p}]",
        "{n} / {n2} [(,|:|or|;) {p}]",
        "{p} [(,|;) {n} [(cells|cell)]]",
        f"{{p}} [{_OF}]",
        when=_is_bound,
    ),
    *rules(
        _quantity,
        "{n} {c}",
        f"{{n}} [{_OF}] {_AS} {{c}}",
        f"{{n}} [(cells|cell)] [< {{p}} >] {_AS} {{c}}",
        f"{{n}} [(cells|cell)] (,|or) {{p}} [,] [{_OF}] {_AS} {{c}}",
        "{n} < {p} > [of (them|these) [were]] {c}",
        f"{{n}} [out] of [(the|all)] {{n2}} [classified] [(cells|cell)] [< {{p}} >] [{_AS}] {{c}}",
        f"{{c}} [{_MAKE}] {{n}} [out] of [(the|all)] {{n2}} [classified] (cells|cell)",
        f"{{c}} [{_MAKE}] {{n}} [{_OF}] ?! {{c2}}",
        "{p} [< {n} [(cells|cell)] >] {c}",
        f"{{p}} [{_OF}] [< {{n}} [(cells|cell)] >] {_AS} {{c}}",
        f"{{c}} [{_MAKE}] [a share of] {{p}} [{_OF}] [< {{n}} [(cells|cell)] >] ?! {{c2}}",
        "[(the|a)] share of {c} [(was|is|:|at|of)] {p} ?! {c2}",
    ),
    *rules(_bind, "{c} : ?= {x} ?! {c2}"),
    *rules(
        _none,
        "no {c} [were (found|seen|detected|present)]",
        "{c} were (absent|not found|not seen|not detected)",
        "no cell was [classified as] [(a|an)] {c}",
        "none [of (them|these|the cells|the classified cells)] (were|was) [(a|an)] {c}",
    ),
    *rules(
        _only, f"the (only|{{n}}) [classified] cell {_WERE} [(called|classified as)] [(a|an)] {{c}}"
    ),
    *rules(_opened, "{c} ?= < {x}"),
    *rules(
        _is_majority,
        f"({_WERE}|form|formed|make up|made up) [(the|a)] (majority|more than half) [{_OF}]",
        when=_is_alone,
    ),
    *rules(_some, "{c} were (present|found|seen|detected)"),
    *rules(
        _every,
        f"the {{n}} [classified] cells {_WERE} all {{c}}",
        f"all [of] [(the|these|them)] [{{n}}] [classified] [cells] {_AS} {{c}}",
        f"every classified cell {_AS} [(a|an)] {{c}}",
        "only {c} were (found|seen|detected)",
    ),
    *rules(
        _majority,
        f"[{_WERE}] {_MOSTLY} [the] ?= {{c}}",
        f"[{_WERE}] dominated by [the] ?= {{c}}",
        f"[(the|a)] majority [{_OF}] ({_WERE}|:|being) [the] ?= {{c}}",
        f"(most|more than half) [{_OF}] {_AS} [the] ?= {{c}}",
        f"most [classified] cells {_AS} [the] ?= {{c}}",
        "with [(a|the)] majority of ?= {c}",
    ),
    *rules(
        _majority_named,
        f"{{c}} [({_MAKE}|hold|held|being|as|in)] [(the|a)] (majority|more than half) [{_OF}]",
        "{c} (predominate|predominated|dominate|dominated) [the (sample|population|window|run)]",
    ),
    *rules(_all_of, "all ?= {c}"),
    *rules(
        _no_majority,
        "no [single] class [(is|was|has|had|holds|held|forms|formed|with|reached|reaches|makes up|made up)] "
        f"[(a|the)] (majority|more than half) [{_OF}]",
        "no [single] class (dominates|dominated|predominates|predominated)",
        "(without a|no|with no) [clear] majority [class]",
    ),
    *rules(
        _largest,
        f"[the] most {_COMMON} [({_GROUP}|cells)] [({_WERE}|:|being)] [the] ?= [{{x}}] {{c}}",
        f"[the] largest {_GROUP} [({_WERE}|:|being)] [(the|that of [the])] ?= [{{x}}] {{c}}",
    ),
    *rules(
        _largest,
        f"{{c}} [({_WERE}|being|as|form|formed)] [the] (most {_COMMON}|largest) [{_GROUP}]",
    ),
    *rules(
        _smallest,
        f"[the] (least {_COMMON}|rarest) [({_GROUP}|cells)] [({_WERE}|:|being)] [the] ?= [{{x}}] {{c}}",
        f"[the] smallest {_GROUP} [({_WERE}|:|being)] [(the|that of [the])] ?= [{{x}}] {{c}}",
        f"[the] fewest [cells] [({_WERE}|being)] ?= {{c}}",
        f"{{c}} [({_WERE}|being|as|form|formed)] [the] (least {_COMMON}|rarest|smallest) [{_GROUP}]",
    ),
    *rules(
        _more,
        "more {c} than {c2}",
        "[the] {c} (outnumber|outnumbered) [the] {c2}",
        f"{{c}} {_WERE} more {_COMMON} than {{c2}}",
    ),
    *rules(
        _fewer,
        "fewer {c} than {c2}",
        f"{{c}} {_WERE} (less {_COMMON}|rarer) than {{c2}}",
    ),
    *rules(_equal, "as many {c} as {c2}", f"{{c}} and {{c2}} {_WERE} equally {_COMMON}"),
    *rules(_descend, "followed by [the]", "then [the] ?= [{x}] {c}", "ahead of [the] ?= [{x}] {c}"),
    *rules(
        _interval,
        f"[(with|at)] [(a|the|its)] [{{p2}}] [wilson] [confidence] (interval|ci) "
        f"[(of|from|is|was|:|between|,)] {_ENDS}",
        f"(between|from) {_ENDS} [(with|at) {{p2}} (coverage|confidence)]",
    ),
    *rules(_mention, "{c}", bare=True),
)
