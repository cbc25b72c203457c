"""What the reader has in mind while it reads a sentence, and how it compares a claim with a fact."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.facts import ClassFacts, Facts
from phenostream.engine.summary.verify.fault import LONGEST_QUOTED, Fault, FaultKind
from phenostream.engine.summary.verify.numerals import is_share, is_value
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.tokens import Token
from phenostream.engine.summary.verify.vocabulary import GLUE

Subject = Literal["all", "found", "classified", "class", "other"]
"""Whose cells a phrase is about when it does not say: ``all`` at the beginning, then those last named. ``other``: some
that the facts do not divide by class (rejected ones, those at an edge, unusual ones)."""
DIVISIBLE: Final = ("all", "found", "classified")
_LONG: Final = 3
"""Tokens of a claim that a text does not make twice."""
_LISTABLE: Final = ("found", "classified")
_PRONOUNS: Final = ("these", "them", "they", "those", "which")
_NOUNS: Final = ("cell", "cells", "class", "share")
_VERBS: Final = ("were", "was", "are", "is", "mostly", "mainly", "look", "differ", "appear")


@dataclass(slots=True)
class Sentence:
    """What was said in this sentence so far.

    Attributes:
        subject: Whose cells the next phrase is about.
        antecedent: Whose cells were last named before the last semicolon.
        whole: The cells that the classes named are listed of, where they were named as such.
        classes: Those named, in order.
        within: Only the classified cells are spoken of: "of the classified cells, ...".
        told: The class whose count or share the phrase just before told, words between them aside.
        topic: Frames that were left out, or flagged, are being listed.
        recent: The class that the phrase just before named.
        descending: Classes are being listed from the largest on.
        scope: The class whose markers are being told.
        licensed: A class may follow without a number: something was just said of it.
        bound: The class that numbers in the open parenthesis, or behind the colon, are of.
        closer: The mark that ends `bound`.
        spread: What an interval behind a marker value is.
        median: The sentence says that its values are medians.
        marker: The one whose value was told last.
        unfinished: "9 of 12 cells in 3 frames": what became of them must follow.
        waiting: A class was brought up ("in the lymphocytes") for a claim that must follow.
        against: What is compared with.
        change: The change told last, for its numbers.
        changes: How many were told.
        listing: What follows was said to be all of the cells spoken of.
        origin: The sentence tells where the facts come from.
        last: The end of the sentence, where that says with what all of it compares.
        said: Claims so far.
    """

    subject: Subject = "all"
    antecedent: Subject = "all"
    whole: Subject = "all"
    classes: list[int] = field(default_factory=list)
    within: bool = False
    told: int | None = None
    topic: Literal["left out", "flagged"] | None = None
    recent: int | None = None
    descending: bool = False
    scope: int | None = None
    licensed: bool = False
    bound: int | None = None
    closer: str = ""
    spread: Literal["cell", "quartiles"] | None = None
    median: bool = False
    waiting: Phrase | None = None
    unfinished: Phrase | None = None
    marker: int | None = None
    against: Comparison | None = None
    change: ShareChange | MarkerChange | None = None
    changes: int = 0
    listing: Phrase | None = None
    origin: bool = False
    last: Phrase | None = None
    said: set[object] = field(default_factory=set)


class Reading:
    """A text being held against facts.

    Attributes:
        facts: The facts.
        text: The text.
        faults: What was found so far.
        sentence: The one being read.
        earlier: Subject of the sentence before, for "of these".
        seen: Words that oblige to others: see `obligations`.
        tokens: Of the text.
        begin: The sentence's first.
    """

    def __init__(self, facts: Facts, text: str) -> None:
        """Nothing read."""
        self.facts = facts
        self.text = text
        self.faults: list[Fault] = []
        self.sentence = Sentence()
        self.earlier: Subject = "all"
        self.seen: set[str] = set()
        self.tokens: Sequence[Token] = ()
        self.begin = 0
        self._claims: set[object] = set()
        self._sentences: set[str] = set()

    def end_sentence(self, place: int) -> None:
        """Forget what belongs to the sentence that ends at this token."""
        said = self.tokens[self.begin : place]
        written = " ".join(token.text for token in said)
        if written and written in self._sentences:
            self.refuse("repetition", said[0], "the same sentence once")
        self._sentences.add(written)
        self.begin = place + 1
        if self.sentence.waiting is not None:
            self.refuse("binding", self.sentence.waiting, "a claim about this class")
        if self.sentence.listing is not None and not self._all_listed():
            self.refuse("binding", self.sentence.listing, "all of these cells in the list")
        if self.sentence.unfinished is not None:
            self.refuse("binding", self.sentence.unfinished, "what became of these cells")
        self.earlier = self.last_named()
        self.sentence = Sentence()

    def _all_listed(self) -> bool:
        """Every class that has cells was named; and no cell is of none where all those found are listed."""
        present = {index for index, one in enumerate(self.facts.classes) if one.count}
        of_found = self.sentence.whole == "found"
        every = not of_found or self.facts.classified == self.facts.found
        return present <= set(self.sentence.classes) and every

    def once(self, phrase: Phrase, what: object, *, follows: bool) -> None:
        """A claim with a number is made once in a sentence, and one that names a class, or is long, once in a text.

        Args:
            phrase: That makes it.
            what: Is claimed, whatever the words.
            follows: It adds to what was told just before.
        """
        sentence = self.sentence
        said = [token for token in phrase.tokens if token.kind not in ("word", "mark")]
        values = tuple((token.kind, token.index or token.value) for token in said)
        marker = sentence.marker if follows else None
        of = sentence.told if follows and sentence.bound is None else sentence.bound
        subject = (of, sentence.scope, marker, sentence.against, sentence.change)
        claim = (what, values, subject)
        long = len(phrase.tokens) >= _LONG or any(token.kind == "class" for token in said)
        if claim in sentence.said or (long and claim in self._claims):
            self.refuse("repetition", phrase, "the same claim once")
        sentence.said.add(claim)
        self._claims.add(claim)

    def about(self, subject: Subject) -> None:
        """What was said is about these cells."""
        if self.sentence.waiting is not None:
            self.refuse("binding", self.sentence.waiting, "a claim about this class at once")
            self.sentence.waiting = None
        self.sentence.subject = subject
        if subject in _LISTABLE:
            self.sentence.whole = subject

    def last_named(self) -> Subject:
        """Whose cells "these" are: all classes of a population together are the population."""
        sentence = self.sentence
        present = {index for index, one in enumerate(self.facts.classes) if one.count}
        if sentence.subject == "class" and present <= set(sentence.classes):
            return sentence.whole if sentence.whole in _LISTABLE else "classified"
        return sentence.subject

    def these(self) -> Subject:
        """Whose cells "these" are: named in this sentence, or else in the one before."""
        for subject in (self.last_named(), self.sentence.antecedent):
            if subject != "all":
                return subject
        return self.earlier

    def begins(self, phrase: Phrase) -> bool:
        """Nothing is claimed in this sentence before this phrase."""
        return all(token.text in GLUE for token in self.tokens[self.begin : phrase.first])

    def opens(self, phrase: Phrase) -> bool:
        """Nothing is claimed in this sentence, or since its last semicolon, before this phrase."""
        before = [token.text for token in self.tokens[self.begin : phrase.first]]
        since = len(before) - before[::-1].index(";") if ";" in before else 0
        return all(text in GLUE for text in before[since:])

    def refers(self, phrase: Phrase) -> bool:
        """Whose cells it is about was said before: by a pronoun, or a verb without a noun that begins a sentence."""
        if phrase.contains("classified"):
            return False
        if any(map(phrase.contains, _PRONOUNS)):
            return True
        noun = any(token.kind == "class" for token in phrase.tokens[:2]) or any(
            token.text in _NOUNS and before.text != "training"
            for before, token in zip(
                (phrase.tokens[0], *phrase.tokens), phrase.tokens, strict=False
            )
        )
        return self.sentence.subject == "all" and not noun and any(map(phrase.contains, _VERBS))

    def spoken_of(self, phrase: Phrase) -> Subject:
        """Whose cells a phrase is about."""
        if phrase.contains("classified"):
            return "classified"
        return self.these() if self.refers(phrase) else self.sentence.subject

    def name(self, phrase: Phrase, index: int) -> ClassFacts:
        """A phrase speaks of this class: note it, and hold it against what it stands in."""
        sentence = self.sentence
        if sentence.bound not in (None, index):
            self.refuse(
                "binding", phrase, f"claims about {self.of_class(sentence.bound or 0).name}"
            )
        if sentence.waiting is not None and sentence.waiting.token("c").index != index:
            self.refuse("binding", phrase, "a claim about the class that was brought up")
        if sentence.scope not in (None, index):
            sentence.scope = sentence.marker = None
        if sentence.descending and sentence.classes and index not in sentence.classes:
            self._descend(phrase, sentence.classes[-1], index)
        sentence.classes.append(index)
        sentence.recent = index
        return self.of_class(index)

    def _descend(self, phrase: Phrase, before: int, index: int) -> None:
        higher, lower = self.of_class(before).count, self.of_class(index).count
        between = [one.name for one in self.facts.classes if lower < one.count < higher]
        unnamed = [name for name in between if name not in map(self._name, self.sentence.classes)]
        if lower > higher or unnamed:
            self.refuse("superlative", phrase, "classes in the order of their counts")

    def _name(self, index: int) -> str:
        return self.of_class(index).name

    def refuse(self, kind: FaultKind, where: Phrase | Token, allowed: str) -> None:
        """Note a fault of these words."""
        start, end = (where.start, where.end) if isinstance(where, Token) else where.span
        self.faults.append(Fault(kind, self.text[start:end][:LONGEST_QUOTED], allowed))

    def of_class(self, index: int) -> ClassFacts:
        """The facts of a class."""
        return self.facts.classes[index]

    def count(self, phrase: Phrase, place: str, fact: int, what: str) -> bool:
        """Hold a written count against a fact; whether it is that."""
        token = phrase.token(place)
        same = token.kind == "number" and token.decimals == 0 and token.value == fact
        if not same:
            self.refuse("count", phrase, f"{fact:,} {what}")
        return same

    def share(self, phrase: Phrase, place: str, fact: float, what: str) -> bool:
        """Hold a written percentage against a share; whether it is that."""
        token = phrase.token(place)
        same = is_share(fact, token.value, token.decimals)
        if not same:
            self.refuse("share", phrase, f"{100 * fact:.2f} % {what}")
        return same

    def value(self, phrase: Phrase, place: str, fact: float, what: str) -> bool:
        """Hold a written marker value against a fact; whether it is that."""
        token = phrase.token(place)
        digits = token.text.replace(",", "") if token.text[-1].isdigit() else f"{token.value:.0f}"
        same = token.kind == "number" and is_value(fact, token.value, digits)
        if not same:
            self.refuse("value", phrase, f"{fact:.4g} {what}")
        return same

    def interval(
        self, phrase: Phrase, low: float, high: float, places: tuple[str, str] = ("x", "p")
    ) -> None:
        """Hold two written percentages against the ends of an interval of shares."""
        first, last = map(phrase.token, places)
        if not (
            is_share(low, first.value, first.decimals) and is_share(high, last.value, last.decimals)
        ):
            self.refuse("interval", phrase, f"{100 * low:.2f} % to {100 * high:.2f} %")

    def true(self, holds: bool, kind: FaultKind, phrase: Phrase, allowed: str) -> bool:
        """Hold a claim without a number against the facts."""
        if not holds:
            self.refuse(kind, phrase, allowed)
        return holds
