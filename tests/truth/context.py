"""What a reader has in mind at one point of a text: of which class, marker or share the last words were."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.facts import ClassFacts, Facts, MarkerFacts
from tests.truth.tokens import Number, Row, markers_of

_POOLED: Final = (
    "(?:pooled , cannot be (?:separated|told apart)|gemeinsam gemessen , nicht trennbar)"
)
_SHORT: Final = {
    "n": r"‹n\d+›",
    "p": r"‹p\d+›",
    "o": r"‹o\d+›",
    "c": r"‹c\d+s?›",
    "m": rf"‹m\d+›(?: ‹pool›)?(?: \( {_POOLED} \))?",
}
"""What ``<n:a>`` stands for in a phrase: a number, percentage, ordinal, class or marker; the second is its name."""


LEVEL: Final = 0.95
"""Of every interval of a share, or of a difference of two."""


@dataclass(slots=True)
class Phrase:
    """A way to claim something.

    Attributes:
        name: Of the claim.
        pattern: Over a row of signs.
        is_true: Whether the facts say so; may note what the words after it are about.
    """

    name: str
    pattern: re.Pattern[str]
    is_true: "Callable[[Context, re.Match[str]], bool]"


def phrase(name: str, pattern: str, is_true: "Callable[[Context, re.Match[str]], bool]") -> Phrase:
    """A phrase from a pattern with short forms; it ends where a sign ends."""
    spelled = re.sub(r"<([npocm]):(\w+)>", lambda m: f"(?P<{m[2]}>{_SHORT[m[1]]})", pattern)
    return Phrase(name, re.compile(spelled + r"(?= |$)"), is_true)


@dataclass(slots=True)
class Context:
    """A reader's mind.

    Attributes:
        facts: What is so.
        row: The text.
        class_index: Of the class that was named last in this sentence; None: none was.
        marker_index: Likewise of the marker.
        share: (share, low, high) that was named last, for an interval that follows it.
        against: The comparison that is being told.
        change: That was told last.
        changes_told: Of that comparison, in this sentence.
        medians: What is said of markers in this sentence are medians.
        open: What must still be said in this sentence for something before it to have a meaning.
        said: Names of phrases so far.
    """

    facts: Facts
    row: Row
    class_index: int | None = None
    marker_index: int | None = None
    share: tuple[float, float, float] | None = None
    against: Comparison | None = None
    change: ShareChange | MarkerChange | None = None
    changes_told: int = 0
    medians: bool = False
    open: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def begin_sentence(self) -> None:
        """Forget what the last one was about."""
        self.class_index = self.marker_index = self.share = self.against = self.change = None
        self.changes_told = 0
        self.medians, self.open = False, []

    def left_open(self) -> list[str]:
        """What a sentence began and did not end."""
        return self.open

    def longest(
        self, phrases: Sequence[Phrase], sentence: str, position: int
    ) -> tuple[re.Match[str] | None, Phrase | None]:
        """The phrase that fits here with most words."""
        fits = [(match, one) for one in phrases if (match := one.pattern.match(sentence, position))]
        return max(fits, key=lambda fit: fit[0].end(), default=(None, None))

    def number(self, match: re.Match[str], name: str) -> Number:
        """A number or percentage of a phrase."""
        return self.row.number(match[name])

    def count(self, match: re.Match[str], name: str, fact: int | None) -> bool:
        """Whether a number of a phrase is this count."""
        return self.number(match, name).is_exactly(fact)

    def near(self, match: re.Match[str], name: str, fact: float | None) -> bool:
        """Whether a number of a phrase is this value, rounded as it is written."""
        return self.number(match, name).rounds(fact)

    def take_class(self, match: re.Match[str], name: str = "c") -> ClassFacts:
        """The class that a phrase names; what follows is about it."""
        self.class_index = int(re.findall(r"\d+", match[name])[0])
        one = self.facts.classes[self.class_index]
        self.share = (one.share, one.share_low, one.share_high)
        return one

    def take_marker(self, match: re.Match[str], name: str = "m") -> str:
        """The marker that a phrase names, by its name; what follows is about it."""
        self.marker_index = int(re.findall(r"\d+", match[name])[0])
        return markers_of(self.facts)[self.marker_index]

    @property
    def named_class(self) -> ClassFacts | None:
        """The class that was named last."""
        return None if self.class_index is None else self.facts.classes[self.class_index]

    @property
    def named_marker(self) -> MarkerFacts | None:
        """The marker that was named last, in the class that was."""
        if self.named_class is None or self.marker_index is None:
            return None
        name = markers_of(self.facts)[self.marker_index]
        return next((one for one in self.named_class.markers if one.name == name), None)

    def shown(self, words: str) -> str:
        """Signs as a person would read them."""
        names = {f"‹c{k}›": one.name for k, one in enumerate(self.facts.classes)}
        names |= {f"‹c{k}s›": one.name + "s" for k, one in enumerate(self.facts.classes)}
        names |= {f"‹m{m}›": name for m, name in enumerate(markers_of(self.facts))}
        for sign in re.findall(r"‹[npo]\d+›", words):
            names[sign] = self.row.number(sign).text
        return re.sub(r"‹[^›]*›", lambda match: names.get(match[0], match[0]), words)
