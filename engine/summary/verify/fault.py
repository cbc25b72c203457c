"""What a text claims and the facts do not support."""

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "binding",
    "calibration",
    "caveat",
    "cell type",
    "character",
    "comparison",
    "count",
    "diagnosis",
    "interval",
    "length",
    "marker",
    "number",
    "omission",
    "pool",
    "repetition",
    "share",
    "statistic",
    "superlative",
    "synthetic",
    "unit",
    "value",
    "word",
]
"""What kind of claim it is; ``word`` and ``number`` are what no rule reads at all, ``omission`` what is not there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One claim that the facts do not support, or one word that cannot be bound to a fact.

    Attributes:
        kind: What is wrong.
        words: As they stand in the text, at most `LONGEST_QUOTED` characters.
        allowed: What the facts would allow there.
    """

    kind: FaultKind
    words: str
    allowed: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.kind}: {self.words!r}, allowed {self.allowed}"


LONGEST_QUOTED = 80
"""Characters of a text that a fault repeats: the text is a stranger's."""
