"""The classes of the classified cells: counts, shares and their intervals."""

from typing import Final

from phenostream.engine.summary.facts import INTERVAL_COVERAGE, ClassFacts
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading, Sentence
from phenostream.engine.summary.verify.rules.parts import AS, MAKE, OF, WERE, named, whole
from phenostream.engine.summary.verify.rules.rule import rules

_ENDS: Final = "{x} (to|-|and) {p}"


def _quantity(r: Reading, phrase: Phrase) -> None:
    """A class with its count, its share, or both; and of how many."""
    one = named(r, phrase)
    if phrase.has("n"):
        r.count(phrase, "n", one.count, f"of class {one.name}")
    if phrase.has("p"):
        _share(r, phrase, one)
    if phrase.has("n2"):
        _denominator(r, phrase, share=phrase.has("p"))
    r.sentence.told = phrase.token("c").index
    r.about("class")


def _share_with_interval(r: Reading, phrase: Phrase) -> None:
    """A share, its interval, and the class behind them."""
    _quantity(r, phrase)
    if phrase.has("p3"):
        r.share(phrase, "p3", INTERVAL_COVERAGE, "is the coverage of the interval of a share")
    one = r.of_class(phrase.token("c").index)
    r.interval(phrase, one.share_low, one.share_high, ("x", "p2"))


def _its_share(r: Reading, phrase: Phrase) -> None:
    """Of the one class that the sentence has named."""
    one = r.of_class(r.sentence.classes[0])
    _share(r, phrase, one)
    r.sentence.told = r.sentence.classes[0]


def _were_found(r: Reading, phrase: Phrase) -> None:
    return None


def _share(r: Reading, phrase: Phrase, one: ClassFacts) -> None:
    """A share is of the classified cells; where it could be read as of those found, it has to be that as well."""
    r.share(phrase, "p", one.share, f"of the classified are of class {one.name}")
    of_cells = phrase.contains("of") and any(map(phrase.contains, ("cells", "all", "total")))
    if (of_cells or _is_of_found(r, phrase)) and not phrase.contains("classified"):
        found = one.count / r.facts.found if r.facts.found else 0.0
        r.share(phrase, "p", found, "of the cells found; or name the classified cells")


def _is_of_found(r: Reading, phrase: Phrase) -> bool:
    """The cells found were named, and what is told since is a list of them."""
    listed = r.sentence.subject == "class" and r.sentence.whole == "found"
    return listed or r.spoken_of(phrase) == "found"


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
        _share(r, phrase, one)
    if phrase.has("n2"):
        _denominator(r, phrase, share=phrase.has("p"))


def _bind(r: Reading, phrase: Phrase) -> None:
    named(r, phrase)
    r.sentence.bound, r.sentence.closer = phrase.token("c").index, ","
    r.about("class")


def _none(r: Reading, phrase: Phrase) -> None:
    one = named(r, phrase)
    r.sentence.recent = None
    r.true(one.count == 0, "count", phrase, f"{one.count:,} of class {one.name}")


def _only(r: Reading, phrase: Phrase) -> None:
    one = named(r, phrase)
    alone = one.count == r.facts.classified == 1
    if phrase.has("n"):
        r.count(phrase, "n", 1, "cell")
    r.true(alone, "count", phrase, f"{one.count:,} of {r.facts.classified:,} classified cells")
    r.about("class")


def _opened(r: Reading, phrase: Phrase) -> None:
    """A class with its numbers in parentheses, and a claim behind them perhaps."""
    named(r, phrase)
    r.about("class")


def _some(r: Reading, phrase: Phrase) -> None:
    one = named(r, phrase)
    r.true(one.count > 0, "count", phrase, f"{one.count:,} of class {one.name}")


def _every(r: Reading, phrase: Phrase) -> None:
    one = named(r, phrase)
    r.true(one.count == whole(r, phrase), "count", phrase, f"{one.count:,} of class {one.name}")
    if phrase.has("n"):
        r.count(phrase, "n", one.count, f"of class {one.name}")
    r.about("class")


def _interval(r: Reading, phrase: Phrase) -> None:
    """A 95 % interval of the share told last."""
    if phrase.has("p2"):
        r.share(phrase, "p2", INTERVAL_COVERAGE, "is the coverage of the interval of a share")
    sentence = r.sentence
    told = sentence.told if sentence.bound is None else sentence.bound
    if told is None:
        r.refuse("binding", phrase, "an interval right behind the share of its class")
        return
    one = r.of_class(told)
    r.interval(phrase, one.share_low, one.share_high)


def _mention(r: Reading, phrase: Phrase) -> None:
    named(r, phrase)


def _is_bound(sentence: Sentence) -> bool:
    return sentence.bound is not None


def _is_of_one(sentence: Sentence) -> bool:
    """One class was named in the sentence, and nothing that the facts do not divide by class."""
    return len(set(sentence.classes)) == 1 and sentence.subject in ("all", "classified", "class")


def _is_class(sentence: Sentence) -> bool:
    return sentence.subject == "class"


CLASSES: Final = (
    *rules(
        _bound_quantity,
        "{n} [cells] [, {p}]",
        "{n} [(cells|cell)] [of [the] {n2} [classified] [(cells|cell)]] [(,|:|or|;) {p}]",
        "{n} / {n2} [(,|:|or|;) {p}]",
        "{p} [(,|;) {n} [(cells|cell)]]",
        f"{{p}} [{OF}]",
        when=_is_bound,
        inside=True,
        follows=True,
    ),
    *rules(
        _quantity,
        "{n} {c}",
        f"{{n}} [{OF}] {AS} {{c}}",
        f"{{n}} [(cells|cell)] [< {{p}} >] {AS} {{c}}",
        f"{{n}} [(cells|cell)] (,|or) {{p}} [,] [{OF}] {AS} {{c}}",
        "{n} < {p} > [of (them|these) [were]] {c}",
        f"{{n}} [out] of [(the|all)] {{n2}} [classified] [(cells|cell)] [< {{p}} >] [{AS}] {{c}}",
        f"{{c}} [{MAKE}] {{n}} (cells|cell)",
        f"{{c}} [{MAKE}] {{n}} [(cells|cell)] (,|or|;) {{p}} [{OF}] ?! {{c2}}",
        "{n} as {c}",
        "{p} as {c}",
        "{c} , with {n} (cells|cell) ,",
        f"{{c}} [{MAKE}] {{n}} [out] of [(the|all)] {{n2}} [classified] (cells|cell)",
        f"{{c}} [{MAKE}] {{n}} [{OF}] ?! {{c2}}",
        "{p} [< {n} [(cells|cell)] >] {c}",
        f"{{p}} [{OF}] [< {{n}} [(cells|cell)] >] {AS} {{c}}",
        f"{{c}} [{MAKE}] [a share of] {{p}} [{OF}] [< {{n}} [(cells|cell)] >] ?! {{c2}}",
        "[(the|a)] share of {c} [(was|is|:|at|of)] {p} ?! {c2}",
        inside=True,
    ),
    *rules(
        _share_with_interval,
        f"{{p}} [{OF}] < [(between|from|{{p3}} interval)] {{x}} (to|and|-) {{p2}} > [{AS}] {{c}}",
    ),
    *rules(_were_found, f"{WERE} (found|seen|detected|observed|present)", when=_is_class),
    *rules(
        _its_share,
        f"(accounting for|making up|representing) {{p}} (of the total|[{OF}]) ?! [{AS}] {{c}}",
        when=_is_of_one,
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
        _only, f"the (only|{{n}}) [classified] cell {WERE} [(called|classified as)] [(a|an)] {{c}}"
    ),
    *rules(_opened, "{c} ?= < {x}"),
    *rules(_some, "{c} were (present|found|seen|detected)"),
    *rules(
        _every,
        f"the {{n}} [classified] cells {WERE} all {{c}}",
        f"all [of] [(the|these|them)] [{{n}}] [classified] [cells] {AS} {{c}}",
        f"every classified cell {AS} [(a|an)] {{c}}",
        "only {c} were (found|seen|detected)",
    ),
    *rules(
        _interval,
        f"[(with|at)] [(a|the|its)] [{{p2}}] [wilson] [confidence] (interval|ci) "
        f"[(of|from|is|was|:|between|,)] {_ENDS}",
        f"(between|from) {_ENDS} [(with|at) {{p2}} (coverage|confidence)]",
        inside=True,
        follows=True,
    ),
    *rules(_mention, "{c}", inside=True, bare=True),
)
