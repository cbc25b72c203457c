"""Claims about what became of the cells that were found."""

import re
from typing import Final

from tests.truth.context import LEVEL, Context, Phrase, phrase

_CLASSIFIED: Final = "(?:classified|(?:given|assigned) a class)"
_FATES: Final = {
    "classified": _CLASSIFIED,
    "rejected": "(?:rejected|set aside|left out) as not a white cell",
    "edge": "at a frame's edge",
    "over_limit": "(?:beyond|exceeded) the limit per frame",
    "failed": "(?:that the engine failed on|got no numbers from the engine|failed (?:on )?by the engine|"
    "lost to a fault of the engine)",
}
_UNLIKE: Final = "(?:(?:looks?|appears?) unlike|differs? from) the training cells"
_OPEN: Final = "of the cells found: what they were"


def _found(context: Context, match: re.Match[str]) -> bool:
    return context.count(match, "n", context.facts.found)


def _none_found(context: Context, _: re.Match[str]) -> bool:
    return context.facts.found == 0


def _fate(name: str) -> Phrase:
    def is_true(context: Context, match: re.Match[str]) -> bool:
        return context.count(match, "n", getattr(context.facts, name))

    return phrase(f"cells {name}", f"<n:n> (?:(?:were|was|lay) )?{_FATES[name]}", is_true)


def _of_found(context: Context, match: re.Match[str]) -> bool:
    """Some of the cells found; the verb comes later."""
    context.open.append(_OPEN)
    return context.count(match, "n", context.facts.classified) and context.count(
        match, "all", context.facts.found
    )


def _they_were_classified(context: Context, _: re.Match[str]) -> bool:
    if _OPEN not in context.open:
        return False
    context.open.remove(_OPEN)
    return True


def _unusual(context: Context, match: re.Match[str]) -> bool:
    facts = context.facts
    if facts.unusual_share is not None:
        context.share = (facts.unusual_share, facts.unusual_low or 0.0, facts.unusual_high or 0.0)
    return context.count(match, "n", facts.unusual) and context.near(
        match, "p", facts.unusual_share
    )


def _none_unusual(context: Context, _: re.Match[str]) -> bool:
    return context.facts.unusual == 0


def _unusual_interval(context: Context, match: re.Match[str]) -> bool:
    facts = context.facts
    return (
        _unusual(context, match)
        and context.near(match, "level", LEVEL)
        and context.near(match, "low", facts.unusual_low)
        and context.near(match, "high", facts.unusual_high)
    )


def _judged(context: Context, match: re.Match[str]) -> bool:
    """Cells that were classified or rejected, by a model that can reject; the share of the latter may follow."""
    facts = context.facts
    context.share = (facts.rejected_share, facts.rejected_low, facts.rejected_high)
    return facts.rejects and context.count(match, "n", facts.classified + facts.rejected)


def _rejected_share(context: Context, match: re.Match[str]) -> bool:
    facts = context.facts
    context.share = (facts.rejected_share, facts.rejected_low, facts.rejected_high)
    return context.near(match, "p", facts.rejected_share)


def _reject_rate(context: Context, match: re.Match[str]) -> bool:
    return _judged(context, match) and _rejected_share(context, match)


def _confidence(context: Context, match: re.Match[str]) -> bool:
    return context.near(match, "p", context.facts.mean_confidence)


def _uncalibrated(context: Context, _: re.Match[str]) -> bool:
    return not context.facts.calibrated


PHRASES: Final = (
    phrase("cells found", "<n:n> cells? (?:were|was) (?:found|detected)", _found),
    phrase("cells found", "held <n:n> cells?", _found),
    phrase("no cells found", "no cells (?:were|was) (?:found|detected)", _none_found),
    phrase("no cells found", "there were no cells", _none_found),
    phrase("no cells found", "held no cells", _none_found),
    *(_fate(name) for name in _FATES),
    phrase(
        "cells classified of those found",
        "<n:n> of <n:all> cells?(?: found| detected| seen)?",
        _of_found,
    ),
    phrase("they were classified", f"(?:were|was) {_CLASSIFIED}(?: as)?", _they_were_classified),
    phrase(
        "cells unlike the training cells",
        rf"<n:n> \( <p:p> \) {_UNLIKE}",
        _unusual,
    ),
    phrase(
        "cells unlike the training cells",
        rf"<n:n> \( <p:p> ; <p:level> interval <p:low> to <p:high> \) {_UNLIKE}",
        _unusual_interval,
    ),
    phrase("no cell unlike the training cells", f"none {_UNLIKE}", _none_unusual),
    phrase("cells judged", "(?:of|among) the <n:n> cells? that the model judged", _judged),
    phrase("reject rate", "the (?:reject rate|rejected share) is <p:p>", _rejected_share),
    phrase(
        "reject rate",
        "the reject rate of the <n:n> cells? that the model judged is <p:p>",
        _reject_rate,
    ),
    phrase("mean confidence", "mean confidence (?:of |is )?<p:p>", _confidence),
    phrase("uncalibrated", "uncalibrated", _uncalibrated),
)
