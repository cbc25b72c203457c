"""Parts that many phrases share, and what a claim about classes must be of."""

from typing import Final

from phenostream.engine.summary.facts import ClassFacts
from phenostream.engine.summary.verify.pattern import Phrase, words_of
from phenostream.engine.summary.verify.reading import DIVISIBLE, Reading
from phenostream.engine.summary.verify.vocabulary import FRESH, GLUE

WERE: Final = "(were|are|was|is)"
AS: Final = (
    f"{WERE} [(classified as|predicted as|predicted to be|identified as|called|labelled as|labeled as|categorized as|"
    "categorised as|assigned to|of [the]|in the)]"
)
OF: Final = "of [(the|all)] [(classified|them|these|which)] [cells]"
MAKE: Final = (
    "(account for|accounted for|accounting for|make up|made up|making up|represent|represented|comprise|comprised|"
    "constitute|constituted|form|formed|for|number|numbered|numbering|were|are|was|is|at|with|:|=)"
)
GROUP: Final = "(class|group|population|type|cell type|cell class|share|fraction|part)"

_JOINS: Final = (GLUE - FRESH - {")"}) | words_of(
    "as well as together along next to alongside in addition"
)
_ALL: Final = ("cells", "only", "sample", "population", "window", "run")


def divisible(r: Reading, phrase: Phrase, *also: str) -> bool:
    """Whether the cells that a phrase speaks of are divided by class in the facts."""
    allowed = DIVISIBLE if r.refers(phrase) else (*DIVISIBLE, *also)
    return r.true(
        r.spoken_of(phrase) in allowed,
        "binding",
        phrase,
        "classes of the classified cells only",
    )


def named(r: Reading, phrase: Phrase, place: str = "c") -> ClassFacts:
    """The class that a phrase speaks of, alone where it is the first word."""
    divisible(r, phrase, "class")
    claimed = phrase.tokens[0].kind == "class" and len(phrase.tokens) > 1
    r.true(
        not (claimed and is_joined(r, phrase)), "binding", phrase, "a claim about one class alone"
    )
    return r.name(phrase, phrase.token(place).index)


def is_joined(r: Reading, phrase: Phrase) -> bool:
    """Another class stands before this phrase, and nothing but what joins it to the phrase's own."""
    before = reversed(r.tokens[: phrase.first])
    joined = next((token for token in before if token.text not in _JOINS), None)
    return joined is not None and (joined.kind == "class" or joined.text == ")")


def scope(r: Reading, phrase: Phrase) -> None:
    """A window is no run, and what one model saw of a run is neither."""
    for word, meant in (("window", "window"), ("run", "run"), ("recording", "run")):
        if phrase.contains(word):
            r.true(r.facts.scope == meant, "binding", phrase, f"a {r.facts.scope}")


def whole(r: Reading, phrase: Phrase) -> int:
    """How many cells a phrase without a number speaks of."""
    if phrase.contains("classified"):
        return r.facts.classified
    speaks_of_all = any(map(phrase.contains, _ALL)) or r.spoken_of(phrase) == "found"
    return r.facts.found if speaks_of_all else r.facts.classified
