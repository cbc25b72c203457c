"""Claims about the markers of one class: medians, intervals, and what they are in."""

import re
from typing import Final

from tests.truth.context import Context, phrase

_SIGNAL: Final = "estimated median signal|median estimates"


def is_named_rightly(context: Context, match: re.Match[str]) -> bool:
    """A pool is called one, and what is none is not."""
    return ("/" in context.take_marker(match)) == ("‹pool›" in match[0])


def _medians(context: Context, match: re.Match[str]) -> bool:
    """What follows is medians of this class."""
    context.medians = True
    return context.count(match, "n", context.take_class(match).count)


def _median(context: Context, match: re.Match[str]) -> bool:
    rightly = is_named_rightly(context, match)
    marker = context.named_marker
    return (
        rightly
        and context.medians
        and marker is not None
        and context.near(match, "n", marker.median)
    )


def _cell_interval(context: Context, match: re.Match[str]) -> bool:
    marker = context.named_marker
    return (
        marker is not None
        and context.near(match, "low", marker.cell_low)
        and context.near(match, "high", marker.cell_high)
    )


def _in_the_run(context: Context, match: re.Match[str]) -> bool:
    marker = context.named_marker
    return marker is not None and context.near(match, "n", marker.run_percentile)


def _in_the_reference(context: Context, match: re.Match[str]) -> bool:
    marker = context.named_marker
    return marker is not None and context.near(match, "n", marker.reference_percentile)


def _coverage(context: Context, match: re.Match[str]) -> bool:
    return context.near(match, "p", context.facts.interval_coverage)


def _no_interval(context: Context, _: re.Match[str]) -> bool:
    return context.facts.interval_coverage is None


def _unit(context: Context, _: re.Match[str]) -> bool:
    return bool(context.facts.marker_unit)


PHRASES: Final = (
    phrase("class of the medians", f"(?:the )?(?:{_SIGNAL}) of the <n:n> <c:c>", _medians),
    phrase("class of the medians", "(?:in|for) the <n:n> <c:c> , (?:the )?median estimates are", _medians),
    phrase("median", "<m:m> <n:n>", _median),
    phrase("interval of a cell", r"\( <n:low> to <n:high>", _cell_interval),
    phrase("percentile in the run", r"(?:\( )?percentile <n:n> of the run before", _in_the_run),
    phrase("percentile in the reference", r"(?:\( )?percentile <n:n> of the reference", _in_the_reference),
    phrase("coverage", "with the nominal <p:p> interval of a single such cell", _coverage),
    phrase("no interval", "without an interval , for this model has none", _no_interval),
    phrase("unit", r"\( (?:unit :|in) ‹u› \)", _unit),
)  # fmt: skip
