"""Claims about drift: how many of the quantities that are watched lie too far away, and from what."""

import re
from typing import Final

from tests.truth.context import Context, phrase

_POPULATIONS: Final = {
    "training": ("the training population", "der trainingspopulation"),
    "previous_run": ("the previous run", "dem vorigen lauf"),
    "reference": ("the drift reference", "der drift-referenz"),
}
_WATCHED: Final = "<n:tested> watched quantit(?:y|ies)"
_FROM: Final = (
    "drifted from (?P<other>the training population|the previous run|the drift reference)"
)
_GERMAN_WATCHED: Final = "von <n:tested> überwachten größen?"
_GERMAN_AWAY: Final = (
    "von (?P<other>der trainingspopulation|dem vorigen lauf|der drift-referenz) abgedriftet"
)


def _drifted(context: Context, match: re.Match[str]) -> bool:
    """So many of those that were watched; without a number, none is shown to, which is not that none has."""
    said = match["other"]
    of = next(name for name, words in _POPULATIONS.items() if said in words)
    known = [one for one in context.facts.drift if one.against == of]
    beyond = match.groupdict().get("n")
    return (
        len(known) == 1
        and context.count(match, "tested", known[0].tested)
        and (beyond is None) == (known[0].beyond == 0)
        and (beyond is None or context.count(match, "n", known[0].beyond))
    )


PHRASES: Final = (
    phrase("drift", f"<n:n> of {_WATCHED} (?:has|have) {_FROM}", _drifted),
    phrase("drift", f"of {_WATCHED} , <n:n> (?:has|have) {_FROM}", _drifted),
    phrase("drift", f"none of {_WATCHED} is shown to have {_FROM}", _drifted),
    phrase("drift", f"of {_WATCHED} , none is shown to have {_FROM}", _drifted),
)
GERMAN: Final = (
    phrase("drift", f"<n:n> {_GERMAN_WATCHED} (?:ist|sind) {_GERMAN_AWAY}", _drifted),
    phrase("drift", f"{_GERMAN_WATCHED} (?:ist|sind) <n:n> {_GERMAN_AWAY}", _drifted),
    phrase("drift", f"keine {_GERMAN_WATCHED} ist erkennbar {_GERMAN_AWAY}", _drifted),
    phrase("drift", f"{_GERMAN_WATCHED} ist keine erkennbar {_GERMAN_AWAY}", _drifted),
)
