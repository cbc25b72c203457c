"""What the reader knows, in one visible table: of two phrases of the same length the one that stands first is taken."""

from typing import Final

from phenostream.engine.summary.verify.rules.caveats import CAVEATS
from phenostream.engine.summary.verify.rules.changes import CHANGES
from phenostream.engine.summary.verify.rules.classes import CLASSES
from phenostream.engine.summary.verify.rules.drift import DRIFT
from phenostream.engine.summary.verify.rules.found import FOUND
from phenostream.engine.summary.verify.rules.frames import FRAMES
from phenostream.engine.summary.verify.rules.leads import LEADS
from phenostream.engine.summary.verify.rules.markers import MARKERS
from phenostream.engine.summary.verify.rules.origin import ORIGIN
from phenostream.engine.summary.verify.rules.quality import QUALITY
from phenostream.engine.summary.verify.rules.ranks import RANKS
from phenostream.engine.summary.verify.rules.rule import Rule

__all__ = ["RULES", "WORDS", "Rule"]

RULES: Final[tuple[Rule, ...]] = (
    *CHANGES,
    *DRIFT,
    *ORIGIN,
    *QUALITY,
    *FRAMES,
    *CAVEATS,
    *LEADS,
    *CLASSES,
    *RANKS,
    *MARKERS,
    *FOUND,
)

WORDS: Final = frozenset(word for rule in RULES for word in rule.words)
"""Every word that a rule reads."""
