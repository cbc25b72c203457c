"""Claims about changes against the window before, or a reference: which way, from what to what, and how sure."""

import re
from collections.abc import Callable
from typing import Final

from phenostream.engine.summary.changes import Comparison, MarkerChange, Quantity, ShareChange
from tests.truth.context import LEVEL, Context, phrase
from tests.truth.phrases.markers import is_named_rightly

_UP: Final = "rose|increased|went up|higher|larger"
GERMAN_UP: Final = "stieg|erhöhte|wuchs|höher|größer"
_DOWN: Final = "fell|decreased|went down|lower|smaller"
_THAN: Final = "compared with|relative to|against"
_UNLIKE: Final = "cells (?:that look )?unlike the training cells"
_TO: Final = r"from <p:before> to <p:now>"
_AGAINST: Final = r"\( <p:now> against <p:before>"
_WHILE: Final = r"\( median <n:now> , (?P<then>before|there) <n:before>"
_TENDS: Final = rf"tends (?:to be )?(?P<way>{_UP}|{_DOWN})"
_CALLED: Final = "a change is called one|changes are judged"
_TESTS: Final = "<n:n> tests? together"
_SPREAD: Final = (
    "; (?:a change has to stand|what is called a change stands) out against the spread between frames too"
    "(?: ;| , while) intervals of shares take cells as independent , which those of one frame are not quite"
)


def _verdicts(one: Comparison | None, *wanted: str) -> int:
    """How many quantities have one of these verdicts."""
    told: tuple[ShareChange | MarkerChange, ...] = ()
    if one is not None:
        told = (*one.shares, *one.markers)
    return sum(change.verdict in wanted for change in told)


def _take_other(context: Context, match: re.Match[str]) -> bool:
    """What these cells are compared with; what follows is about that."""
    if "window" in match[0] or "fenster" in match[0]:
        context.against = context.facts.comparison("previous")
        return context.against is not None
    one = context.facts.comparisons[int(re.findall(r"‹r(\d+)›", match[0])[0])]
    context.against = one
    said = "simul" in match[0]
    return one.against == "reference" and (
        one.synthetic if said else not one.synthetic or context.facts.source_synthetic
    )


def _its_size(context: Context, match: re.Match[str]) -> bool:
    one = context.against
    return (
        one is not None
        and context.count(match, "n", one.classified)
        and context.count(match, "frames", one.frames)
    )


def _obstacle(kind: str) -> Callable[[Context, re.Match[str]], bool]:
    def is_true(context: Context, match: re.Match[str]) -> bool:
        if not _take_other(context, match) or context.against is None:
            return False
        return context.against.obstacle == kind

    return is_true


def _share_of(context: Context, of: Quantity, name: str = "") -> ShareChange | None:
    told = () if context.against is None else context.against.shares
    return next((one for one in told if (one.of, one.name) == (of, name)), None)


def _moved(context: Context, match: re.Match[str], change: ShareChange | None) -> bool:
    """Which way a share went, from what to what; what follows may say how sure that is."""
    context.change = change
    if change is None:
        return False
    context.changes_told += 1
    return (
        change.verdict == _way(match)
        and context.near(match, "before", change.before)
        and context.near(match, "now", change.now)
    )


def _class_moved(context: Context, match: re.Match[str]) -> bool:
    return _moved(context, match, _share_of(context, "class", context.take_class(match).name))


def _rejected_moved(context: Context, match: re.Match[str]) -> bool:
    return _moved(context, match, _share_of(context, "rejected"))


def _unusual_moved(context: Context, match: re.Match[str]) -> bool:
    return _moved(context, match, _share_of(context, "unusual"))


def _marker_moved(context: Context, match: re.Match[str]) -> bool:
    """A marker of one class tends one way."""
    rightly, name = is_named_rightly(context, match), context.take_marker(match)
    of, against = context.take_class(match).name, context.against
    told = () if against is None else against.markers
    change = next((one for one in told if (one.class_name, one.name) == (of, name)), None)
    context.change = change
    if change is None or against is None:
        return False
    context.changes_told += 1
    return (
        rightly
        and change.verdict == _way(match)
        and (match["then"] in ("before", "davor")) == (against.against == "previous")
        and context.near(match, "now", change.now)
        and context.near(match, "before", change.before)
    )


def _way(match: re.Match[str]) -> str:
    return "up" if re.fullmatch(f"{_UP}|{GERMAN_UP}", match["way"]) else "down"


def _difference(context: Context, match: re.Match[str]) -> bool:
    """Of the share that moved last, in percentage points."""
    change = context.change
    if not isinstance(change, ShareChange):
        return False
    return (
        context.near(match, "level", LEVEL)
        and context.near(match, "n", 100 * change.difference)
        and context.near(match, "low", 100 * change.low)
        and context.near(match, "high", 100 * change.high)
    )


def _p(context: Context, match: re.Match[str]) -> bool:
    return context.change is not None and context.near(match, "n", context.change.p)


def _p_below(context: Context, match: re.Match[str]) -> bool:
    """Below a bound that is itself below the level: a larger one would be true, and tell nothing."""
    p = None if context.change is None else context.change.p
    bound = context.number(match, "n").value
    return p is not None and context.against is not None and p < bound < context.against.alpha


def _superiority(context: Context, match: re.Match[str]) -> bool:
    change = context.change
    return isinstance(change, MarkerChange) and context.near(match, "n", change.superiority)


def _no_change(context: Context, _: re.Match[str]) -> bool:
    """Of what was tested, and something was."""
    one = context.against
    return _verdicts(one, "unclear") > 0 and _verdicts(one, "up", "down") == 0


def _unclear(context: Context, match: re.Match[str]) -> bool:
    return context.count(match, "n", _verdicts(context.against, "unclear"))


def _too_few(context: Context, match: re.Match[str]) -> bool:
    return context.count(match, "n", _verdicts(context.against, "too_few"))


def _too_few_for_any(context: Context, match: re.Match[str]) -> bool:
    if not _take_other(context, match):
        return False
    one = context.against
    return _verdicts(one, "up", "down", "unclear") == 0 < _verdicts(one, "too_few")


def _further(context: Context, match: re.Match[str]) -> bool:
    """Changes that were not told in this sentence."""
    changes = _verdicts(context.against, "up", "down") - context.changes_told
    return context.count(match, "n", changes)


def _tests(context: Context, match: re.Match[str]) -> bool:
    made = context.facts.comparisons
    return bool(made) and all(
        context.near(match, "p", one.alpha) and context.count(match, "n", one.tests) for one in made
    )


_OTHER: Final = r"(?:the previous window|the reference ‹r\d+›(?: \( simulated cells \))?)"
_foreign = _obstacle("another model")
_WITH: Final = f"with {_OTHER}"
_CHANGED: Final = "no change (?:is|could be) shown|the tests show no change"
_RATE: Final = "the (?:reject rate|rejected share)"

PHRASES: Final = (
    phrase("what is compared with", f"(?:{_THAN}) {_OTHER}", _take_other),
    phrase("size of what is compared with", r"\( <n:n> classified in <n:frames> frames? \)", _its_size),
    phrase("a class moved", rf"the share of <c:c> (?P<way>{_UP}|{_DOWN}) {_TO}", _class_moved),
    phrase("a class moved", rf"the share of <c:c> is (?P<way>{_UP}|{_DOWN}) {_AGAINST}", _class_moved),
    phrase("rejection moved", rf"{_RATE} (?P<way>{_UP}|{_DOWN}) {_TO}", _rejected_moved),
    phrase("rejection moved", rf"{_RATE} is (?P<way>{_UP}|{_DOWN}) {_AGAINST}", _rejected_moved),
    phrase("unlikeness moved", rf"the share of {_UNLIKE} (?P<way>{_UP}|{_DOWN}) {_TO}", _unusual_moved),
    phrase("unlikeness moved", rf"the share of {_UNLIKE} is (?P<way>{_UP}|{_DOWN}) {_AGAINST}", _unusual_moved),
    phrase("a marker moved", rf"<m:m> {_TENDS} in <c:c> {_WHILE}", _marker_moved),
    phrase("a marker moved", rf"in <c:c> , <m:m> {_TENDS} {_WHILE}", _marker_moved),
    phrase("difference", "difference <n:n> points , <p:level> interval <n:low> to <n:high> points", _difference),
    phrase("adjusted p", "adjusted p <n:n>", _p),
    phrase("adjusted p", "adjusted p below <n:n>", _p_below),
    phrase("superiority", "probability of superiority <n:n>", _superiority),
    phrase("no change", f"(?:{_CHANGED}|no change was found by the tests)", _no_change),
    phrase("no change in so many", f"(?:{_CHANGED}) in <n:n> tested quantit(?:y|ies)", _unclear),
    phrase("too few cells for so many", "too few cells(?: are there)? to test <n:n> quantit(?:y|ies)", _too_few),
    phrase("too few cells for any", f"for a comparison {_WITH} there are too few cells", _too_few_for_any),
    phrase("too few cells for any", f"there are too few cells for a comparison {_WITH}", _too_few_for_any),
    phrase("too few cells for any", f"too few cells were there for a comparison {_WITH}", _too_few_for_any),
    phrase("no cells to compare", f"nothing is compared {_WITH} , for lack of cells", _obstacle("no cells")),
    phrase("no cells to compare", f"there are no cells for a comparison {_WITH}", _obstacle("no cells")),
    phrase("another model's", f"nothing is compared {_WITH} , which is of another model", _foreign),
    phrase("another model's", f"a comparison {_WITH} is not made , for it is of another model", _foreign),
    phrase("further changes", "<n:n> further changes?", _further),
    phrase("level", rf"(?:{_CALLED}) at a level of <p:p> over {_TESTS} \( holm \) {_SPREAD}", _tests),
    phrase("level", rf"the level of all {_TESTS} is <p:p> \( holm \) {_SPREAD}", _tests),
)  # fmt: skip
