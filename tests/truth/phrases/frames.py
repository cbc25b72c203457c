"""Claims about frames: how many there were, what became of those that are not counted, and which are flagged."""

import re
from typing import Final

from tests.truth.context import Context, Phrase, phrase

_FLAGS: Final = {
    "dark": "dark",
    "saturated": "saturated",
    "noisy": "noisy",
    "undersampled": "undersampled",
    "residual_high": "whose light does not add(?: up)?",
    "misoriented": "with shots that are not what they are called",
}
_FATES: Final = ("dropped", "quarantined", "failed", "missing")


def _frames(context: Context, match: re.Match[str]) -> bool:
    return context.count(match, "n", context.facts.frames)


def _of_announced(context: Context, match: re.Match[str]) -> bool:
    """Frames in the summary, of those announced."""
    account, others = context.facts.account, context.facts.by_other_models
    return (
        account is not None
        and context.count(match, "n", account.published - others)
        and context.count(match, "all", account.announced)
    )


def _fate(name: str) -> Phrase:
    def is_true(context: Context, match: re.Match[str]) -> bool:
        account = context.facts.account
        return account is not None and context.count(match, "n", getattr(account, name))

    return phrase(f"frames {name}", f"<n:n> {name}", is_true)


def _flagged_with(name: str) -> Phrase:
    def is_true(context: Context, match: re.Match[str]) -> bool:
        return context.count(match, "n", getattr(context.facts.flagged, name))

    return phrase(f"frames flagged {name}", f"<n:n> (?:were |was )?{_FLAGS[name]}", is_true)


def _flagged(context: Context, match: re.Match[str]) -> bool:
    return context.count(match, "n", context.facts.flagged.frames)


def _others(context: Context, match: re.Match[str]) -> bool:
    return context.count(match, "n", context.facts.by_other_models)


PHRASES: Final = (
    phrase("frames", "<n:n> frames?", _frames),
    phrase(
        "frames of those announced",
        "<n:n> of <n:all> announced(?: frames)? are in this summary",
        _of_announced,
    ),
    *(_fate(name) for name in _FATES),
    phrase("frames of another model", "<n:n> (?:were |was )?seen by another model", _others),
    phrase(
        "frames of another model",
        "<n:n> more (?:frames? )?of the run (?:were|was) seen by another model",
        _others,
    ),
    phrase(
        "frames flagged",
        "<n:n> frames? (?:were|was) flagged(?: by (?:a physics check|physics checks))?",
        _flagged,
    ),
    phrase("frames flagged", "physics checks flagged <n:n> frames?", _flagged),
    *(_flagged_with(name) for name in _FLAGS),
)
