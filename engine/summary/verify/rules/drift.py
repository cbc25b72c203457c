"""Drift: how many of the watched quantities lie further away than allowed, as their tests show, and from what.

That none is shown to is no claim that none does: no rule reads "no drift", "stable" or "0 have drifted".
"""

from typing import Final

from phenostream.engine.summary.drifted import DriftAgainst
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading
from phenostream.engine.summary.verify.rules.rule import rules

_WATCHED: Final = "watched (quantity|quantities)"
_FROM: Final = "drifted from the (training population|previous run|drift reference)"


def _drift(r: Reading, phrase: Phrase) -> None:
    against: DriftAgainst = "reference"
    if phrase.contains("training"):
        against = "training"
    elif phrase.contains("previous"):
        against = "previous_run"
    found = next((one for one in r.facts.drift if one.against == against), None)
    r.seen.add(f"drift from {against}")
    r.about("other")
    if found is None:
        r.refuse("comparison", phrase, "drift from what was watched")
        return
    r.count(phrase, "n2", found.tested, "quantities watched")
    if phrase.has("n") and not found.beyond:
        r.refuse("comparison", phrase, "none is shown to have drifted")
    elif phrase.has("n"):
        r.count(phrase, "n", found.beyond, "quantities that have drifted")
    else:
        r.true(found.beyond == 0, "count", phrase, f"{found.beyond:,} quantities that have drifted")


DRIFT: Final = rules(
    _drift,
    f"{{n}} of {{n2}} {_WATCHED} (has|have) {_FROM}",
    f"of {{n2}} {_WATCHED} , {{n}} (has|have) {_FROM}",
    f"none of {{n2}} {_WATCHED} is shown to have {_FROM}",
    f"of {{n2}} {_WATCHED} , none is shown to have {_FROM}",
)
