"""Claims about the classes of the classified cells: counts, shares, intervals, and who is the majority."""

import re
from typing import Final

from phenostream.engine.summary.facts import ClassFacts
from tests.truth.context import LEVEL, Context, phrase

_MAJORITY: Final = "a majority|holds a majority|is a majority|makes up more than half"


def _is_majority(context: Context, one: ClassFacts | None) -> bool:
    return one is not None and 2 * one.count > context.facts.classified


def _said_only(_context: Context, _match: re.Match[str]) -> bool:
    """Names what is spoken of, and claims nothing."""
    return True


def _count(context: Context, match: re.Match[str]) -> bool:
    return context.count(match, "n", context.take_class(match).count)


def _share(context: Context, match: re.Match[str]) -> bool:
    return context.near(match, "p", context.take_class(match).share)


def _count_and_share(context: Context, match: re.Match[str]) -> bool:
    one = context.take_class(match)
    return context.count(match, "n", one.count) and context.near(match, "p", one.share)


def _class(context: Context, match: re.Match[str]) -> bool:
    """Named, and told of in brackets behind it."""
    context.take_class(match)
    return True


def _its_count_and_share(context: Context, match: re.Match[str]) -> bool:
    one = context.named_class
    return (
        one is not None
        and context.count(match, "n", one.count)
        and context.near(match, "p", one.share)
    )


def _none(context: Context, match: re.Match[str]) -> bool:
    return context.take_class(match).count == 0


def _majority(context: Context, match: re.Match[str]) -> bool:
    return _is_majority(context, context.take_class(match))


def _majority_of_it(context: Context, _: re.Match[str]) -> bool:
    return _is_majority(context, context.named_class)


def _no_majority(context: Context, _: re.Match[str]) -> bool:
    facts = context.facts
    return facts.classified > 0 and not any(_is_majority(context, one) for one in facts.classes)


def _the_only_one(context: Context, match: re.Match[str]) -> bool:
    return context.facts.classified == context.take_class(match).count == 1


def _all_of_one(context: Context, match: re.Match[str]) -> bool:
    count = context.take_class(match).count
    return context.count(match, "n", count) and context.count(match, "n", context.facts.classified)


def _all_are(context: Context, match: re.Match[str]) -> bool:
    return context.take_class(match).count == context.facts.classified > 0


def _interval(context: Context, match: re.Match[str]) -> bool:
    """Of the share that was named last."""
    if context.share is None:
        return False
    _, low, high = context.share
    return (
        context.near(match, "level", LEVEL)
        and context.near(match, "low", low)
        and context.near(match, "high", high)
    )


PHRASES: Final = (
    phrase("cells of a class", "<n:n> <c:c>", _count),
    phrase("share of a class", "<p:p> <c:c>", _share),
    phrase("cells and share of a class", r"<n:n> <c:c> \( <p:p>", _count_and_share),
    phrase("cells and share of the class", r"\( <n:n> , <p:p>", _its_count_and_share),
    phrase("a class", "<c:c>(?= \\( <n:n> , <p:p>)", _class),
    phrase("no cell of a class", "no <c:c>", _none),
    phrase("what is spoken of", "(?:of |among )?(?:the )?classified cells", _said_only),
    phrase("what is spoken of", "of these cells", _said_only),
    phrase("what is listed", "next to|alongside", _said_only),
    phrase("majority", "mostly <c:c>", _majority),
    phrase("majority", "most classified cells are <c:c>", _majority),
    phrase("majority", "of the classified cells , most are <c:c>", _majority),
    phrase(
        "majority", "(?:the majority|more than half) of the classified cells are <c:c>", _majority
    ),
    phrase("majority", "are the majority of the classified cells", _majority_of_it),
    phrase("no majority", f"no class (?:{_MAJORITY})(?: of the classified cells)?", _no_majority),
    phrase(
        "the only cell", "the (?:only|one) classified cell is (?:called )?an? <c:c>", _the_only_one
    ),
    phrase("all of one class", "all (?:of the )?<n:n> classified cells are <c:c>", _all_of_one),
    phrase("all of one class", "all <c:c>", _all_are),
    phrase("all of one class", "the <n:n> classified cells are all <c:c>", _all_of_one),
    phrase("interval of a share", "<p:level> interval <p:low> to <p:high>", _interval),
)
