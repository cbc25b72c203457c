"""Parts that many phrases share, and what a claim about classes must be of."""

from typing import Final

from phenostream.engine.summary.facts import ClassFacts
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import DIVISIBLE, Reading

WERE: Final = "(were|are|was|is)"
AS: Final = f"{WERE} [(classified as|predicted as|predicted to be|identified as|called|labelled as|assigned to)]"
OF: Final = "of [(the|all)] [(classified|them|these|which)] [cells]"
MAKE: Final = (
    "(account for|accounted for|accounting for|make up|made up|making up|represent|represented|comprise|comprised|"
    "constitute|constituted|form|formed|for|number|numbered|numbering|were|are|was|is|at|with|:|=)"
)
GROUP: Final = "(class|group|population|type|cell type|cell class|share|fraction|part)"


def divisible(r: Reading, phrase: Phrase, *also: str) -> bool:
    """Whether the cells last spoken of are divided by class in the facts."""
    return r.true(
        r.sentence.subject in (*DIVISIBLE, *also),
        "binding",
        phrase,
        "classes of the classified cells only",
    )


def named(r: Reading, phrase: Phrase, place: str = "c") -> ClassFacts:
    """The class that a phrase speaks of."""
    divisible(r, phrase, "class")
    return r.name(phrase, phrase.token(place).index)


def whole(r: Reading, phrase: Phrase) -> int:
    """How many cells a phrase without a number speaks of."""
    if phrase.contains("classified"):
        return r.facts.classified
    speaks_of_all = phrase.contains("cells") or r.sentence.subject == "found"
    return r.facts.found if speaks_of_all else r.facts.classified
