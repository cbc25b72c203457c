"""What a language must be able to say: one phrase a method, as slots without the stop that ends a sentence.

The styles decide which phrases are said and in which order; a language decides the words. Every alternative of every
slot must be true of the facts whatever is chosen in the others.
"""

from collections.abc import Sequence
from typing import Protocol

from phenostream.engine.summary.facts import ClassFacts, Facts, FlaggedFrames, MarkerFacts
from phenostream.engine.summary.plan import Plan


class Language(Protocol):
    """The phrases of one language."""

    def found(self, facts: Facts) -> Plan:
        """Cells and frames: what was found, what became of it, and which frames are not in it."""
        ...

    def flagged(self, flagged: FlaggedFrames) -> Plan:
        """How many frames a physics check speaks against, and which; there is one at least."""
        ...

    def composition(self, facts: Facts, *, interval: bool) -> Plan:
        """Counts and shares of the classified cells, of which there are some.

        Args:
            facts: Of the window.
            interval: Tell that of the share of the class that is a majority.
        """
        ...

    def shares(self, facts: Facts) -> Plan:
        """Every class's share with its interval."""
        ...

    def confidence(self, facts: Facts) -> Plan:
        """The mean confidence, to stand behind a composition; that it is uncalibrated."""
        ...

    def unusual(self, facts: Facts) -> Plan:
        """How many cells look unlike the training cells, likewise; there is one at least."""
        ...

    def medians(self, facts: Facts, one: ClassFacts, markers: Sequence[MarkerFacts]) -> Plan:
        """Medians of these markers of one class, of which there are cells."""
        ...

    def estimates(self, facts: Facts, one: ClassFacts) -> Plan:
        """Medians of all markers of one class with the interval of one such cell."""
        ...

    def unchecked(self, facts: Facts) -> Plan:
        """What the model cannot tell; empty where it tells all."""
        ...

    def line(self, facts: Facts) -> Plan:
        """All of it in one sentence."""
        ...

    def caveat(self, facts: Facts) -> Plan:
        """What is synthetic; that it is for research, and no diagnosis. With its stops."""
        ...
