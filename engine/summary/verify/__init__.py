"""Holds a free text against the facts it is to tell: every claim must be supported, and every word accounted for.

English only. The reader knows a few hundred phrases; what it does not know it refuses, so a true text may be refused
(the writer tries again, or the grammar speaks), but none is passed that says something else than the facts.
"""

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.verify.fault import Fault
from phenostream.engine.summary.verify.reader import faults_of

__all__ = ["LANGUAGE", "Fault", "faults"]

LANGUAGE = "en"
"""The one language that is understood."""


def faults(text: str, facts: Facts) -> list[Fault]:
    """What in a text the facts do not support, in the order of the text; empty: every claim is supported.

    Never raises, whatever the text is. Takes time in proportion to the length of the text.
    """
    return faults_of(text, facts)
