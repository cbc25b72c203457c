"""A phrase that the reader knows, and what it claims."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from phenostream.engine.summary.verify.pattern import Phrase, compiled, words_of
from phenostream.engine.summary.verify.reading import Reading, Sentence

Check = Callable[[Reading, Phrase], None]
When = Callable[[Sentence], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One or more ways to say the same.

    Attributes:
        pattern: See `pattern`.
        words: That are part of it.
        check: Holds a phrase against the facts; notes what it was about.
        when: The phrase is known only where this is so.
        inside: It may stand in the parenthesis of a class, whose claim it is then.
        follows: It adds to what the phrase before told: the ends of an interval, a percentile.
        bare: It names a class and claims nothing: allowed only where the phrase before makes the claim.
    """

    pattern: re.Pattern[str]
    words: frozenset[str]
    check: Check
    when: When
    inside: bool
    follows: bool
    bare: bool


def _always(_: Sentence) -> bool:
    return True


def rules(
    check: Check,
    *patterns: str,
    when: When = _always,
    inside: bool = False,
    follows: bool = False,
    bare: bool = False,
) -> tuple[Rule, ...]:
    """The same check for several phrases."""
    return tuple(
        Rule(compiled(pattern), words_of(pattern), check, when, inside, follows, bare)
        for pattern in patterns
    )
