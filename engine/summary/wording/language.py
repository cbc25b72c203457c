"""What a language must be able to say: one phrase a method, as slots without the stop that ends a sentence.

The styles decide which phrases are said and in which order; a language decides the words. Every alternative of every
slot must be true of the facts whatever is chosen in the others. Names in the facts are fit to be shown already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.facts import ClassFacts, Facts, MarkerFacts
from phenostream.engine.summary.plan import Plan


class CellPhrases(Protocol):
    """Frames and cells."""

    def found(self, facts: Facts) -> Plan:
        """Cells and frames: what was found, what became of it, and which frames are not in it."""
        ...

    def flagged(self, facts: Facts, *, kinds: bool) -> Plan:
        """To stand behind it: how many frames physics checks speak against, one at least; and of which kinds."""
        ...

    def line(self, facts: Facts) -> Plan:
        """The classified cells of all found, and the classes among them."""
        ...

    def reject_rate(self, facts: Facts) -> Plan:
        """The rejected share with its interval, of some cells."""
        ...

    def unchecked(self, facts: Facts, *, briefly: bool = False) -> Plan:
        """What the model cannot tell; there is something.

        Args:
            facts: Of the window.
            briefly: Only whether a cell is a white cell, of a model that cannot tell that.
        """
        ...

    def origin(self, facts: Facts) -> Plan:
        """Whether of a window or a run, which, on what instrument, by which model."""
        ...

    def caveat(self, facts: Facts) -> Plan:
        """What is synthetic; that it is for research, and no diagnosis. With its stops."""
        ...


class ClassPhrases(Protocol):
    """Classes, of which there are cells."""

    def composition(self, facts: Facts, *, interval: bool) -> Plan:
        """Counts and shares of the classified cells.

        Args:
            facts: Of the window.
            interval: Tell that of the share of the class that is a majority.
        """
        ...

    def shares(self, facts: Facts) -> Plan:
        """Every class's count and share with its interval."""
        ...

    def confidence(self, facts: Facts) -> Plan:
        """To stand behind a composition: the mean confidence; that it is uncalibrated."""
        ...

    def unusual(self, facts: Facts, *, interval: bool) -> Plan:
        """Likewise: how many cells look unlike the training cells, where the model tells."""
        ...


class MarkerPhrases(Protocol):
    """Markers of one class, of which there are cells."""

    def medians(self, facts: Facts, one: ClassFacts, markers: Sequence[MarkerFacts]) -> Plan:
        """Medians of these markers."""
        ...

    def estimates(self, facts: Facts, one: ClassFacts) -> Plan:
        """Medians of all markers with the interval of one such cell, and their percentiles."""
        ...


class ChangePhrases(Protocol):
    """One population against another."""

    def headline(
        self, facts: Facts, comparison: Comparison, told: Sequence[ShareChange | MarkerChange]
    ) -> Plan:
        """These changes, how many more there are, or that and why there are none."""
        ...

    def full(self, facts: Facts, comparison: Comparison) -> Plan:
        """All changes with interval or superiority and p, and what showed none or could not be tested."""
        ...

    def reservation(self, comparison: Comparison) -> Plan:
        """The level, the number of tests, the spread between frames, and what intervals assume of cells."""
        ...

    def drift(self, drift: DriftFacts) -> Plan:
        """How many of the watched quantities have drifted, or that none is shown to have."""
        ...


@dataclass(frozen=True, slots=True)
class Language:
    """The phrases of one language."""

    cells: CellPhrases
    classes: ClassPhrases
    markers: MarkerPhrases
    changes: ChangePhrases
