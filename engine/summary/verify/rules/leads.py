"""How a sentence begins: whose cells it is about. Nothing is claimed, but what follows is bound to it."""

from typing import Final

from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading
from phenostream.engine.summary.verify.rules.parts import scope
from phenostream.engine.summary.verify.rules.rule import rules

_WHOLE: Final = "(sample|population|window|run|recording|summary)"
_HOLDS: Final = (
    "(contain|contains|contained|hold|holds|held|has|had|have|show|shows|showed|include|includes|included|comprise|"
    "comprises|comprised|(is|was) made up of|consists of|consisted of|yielded|gave)"
)
_WERE: Final = "(were|was|are|is)"


def _all(r: Reading, phrase: Phrase) -> None:
    r.about("all")


def _whole(r: Reading, phrase: Phrase) -> None:
    """What a sample holds are its cells, classified or not; they are in a list of classes only if it says so."""
    scope(r, phrase)
    r.about("all")
    r.sentence.subject = "found"


def _inside(r: Reading, phrase: Phrase) -> None:
    """At the beginning it says whose cells follow; behind something, where that was seen, and nothing else."""
    if r.begins(phrase):
        _whole(r, phrase)
    else:
        scope(r, phrase)


def _the_cells(r: Reading, phrase: Phrase) -> None:
    r.true(r.earlier != "other", "binding", phrase, "those cells, named again")
    r.about("found")


def _list(r: Reading, phrase: Phrase) -> None:
    """Nothing but what follows: where that is counts of classes, all of them must be there."""
    if phrase.contains("classified"):
        r.about("classified")
    else:
        _these(r, phrase)
    r.sentence.listing = phrase


def _classified(r: Reading, phrase: Phrase) -> None:
    r.about("classified")


def _within(r: Reading, phrase: Phrase) -> None:
    if phrase.has("n"):
        r.count(phrase, "n", r.facts.classified, "classified cells")
    r.about("classified")
    r.sentence.within = True


def _these(r: Reading, phrase: Phrase) -> None:
    """Those last spoken of, in this sentence or the one before."""
    last = r.these()
    divisible = last in ("found", "classified")
    r.true(divisible, "binding", phrase, "those that were found or classified, named just before")
    r.about(last)
    r.sentence.within = last == "classified"


def _are(r: Reading, phrase: Phrase) -> None:
    """The classified cells, ..., are these: a list of classes must follow."""
    classified = r.sentence.subject == "classified"
    r.true(classified, "binding", phrase, "a list of classes of the classified cells")


def _nothing(r: Reading, phrase: Phrase) -> None:
    return None


LEADS: Final = (
    *rules(
        _all,
        f"there {_WERE}",
        "in (all|total)",
        "overall",
    ),
    *rules(
        _whole,
        f"[(the|this)] {_WHOLE} {_HOLDS}",
        f"[(the|this)] {_WHOLE} {_WERE} ?= (mostly|mainly|predominantly|primarily|largely|chiefly|dominated)",
    ),
    *rules(_inside, f"(in|over|for|from) (this|the) {_WHOLE}"),
    *rules(
        _list,
        "[the] classified cells (were|are|comprise|comprised) ?= {n} {c}",
        "(comprising|namely|consisting of|made up of|divided into|as|that is) ?= {n} {c}",
        f"(they|these) [cells] ({_WERE}|comprise|comprised) ?= {{n}} {{c}}",
    ),
    *rules(
        _classified,
        "[the] classified cells [(,|:|were|are|comprise|comprised|include|included)]",
        "(by class|composition|cell classes) [:]",
    ),
    *rules(_within, "(of|among|in) [(all|the)] [{n}] classified cells [(,|:)]"),
    *rules(
        _the_cells,
        f"the cells {_WERE} ?= (mostly|mainly|predominantly|primarily|largely|chiefly|dominated)",
    ),
    *rules(_are, f"{_WERE} ?= ({{p}}|no) {{c}}"),
    *rules(
        _nothing,
        "next to",
        "alongside",
        "as well as",
        "together with",
        "along with",
        "in addition",
        "additionally",
    ),
    *rules(
        _these,
        "(of|among) (these|them|which|those) [cells] [,]",
        "(including|comprising|namely|consisting of|made up of|divided into|as|that is) ?= ({x}|no {c}|{c2})",
        f"(they|these) [cells] ({_WERE}|comprise|comprised|include|included)",
    ),
)
