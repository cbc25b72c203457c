"""Names that strangers choose reach a summary as names: no rule, no line, no order, no sign of control."""

import re
import unicodedata
from functools import cache
from itertools import product
from typing import Final

import pytest

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan, first, gbnf, says
from phenostream.engine.summary.prompt import messages
from phenostream.engine.summary.wording import LANGUAGES, STYLES, plan_of
from tests.truth.grammar import NotPlain, slots_of
from tests.truth.hostile import HOSTILE, PLACES, benign

_UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that move a cursor, turn writing, or are not seen."""
_LONGEST_SHOWN: Final = 600
"""Characters that one name may add where it stands: 64, each at most nine as an escape, and its quotes."""
EVERY: Final = [pytest.param(*one, id=", ".join(one)) for one in product(HOSTILE, PLACES)]


def hostile(name: str, place: str) -> Facts:
    return PLACES[place](benign(), HOSTILE[name])


@cache
def plans(name: str, place: str) -> list[Plan]:
    """Of every style and language; without a name, the harmless ones."""
    facts = hostile(name, place) if name else benign()
    return [plan_of(facts, style, language) for style, language in product(STYLES, LANGUAGES)]


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_every_word_that_may_be_said_is_one_line_of_visible_signs(name: str, place: str) -> None:
    for plan in plans(name, place):
        for words in {text for slot in plan for text in slot.alternatives}:
            assert not {unicodedata.category(sign) for sign in words} & _UNSEEN
            assert "<|" not in words
            assert "<s" not in words


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_a_name_ends_no_sentence_early_and_stays_short(name: str, place: str) -> None:
    for plan, plain in zip(plans(name, place), plans("", ""), strict=True):
        text, known = first(plan), first(plain)
        last = known.rpartition(". ")[2]
        assert text.endswith(last)
        assert _unquoted(text).count(last) == 1
        assert "leukaemia" not in _unquoted(text)
        assert len(text) < len(known) + 6 * _LONGEST_SHOWN


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_the_grammar_says_what_the_plan_says_and_nothing_else(name: str, place: str) -> None:
    for plan in plans(name, place):
        slots = [slot.alternatives for slot in plan if slot.alternatives != ("",)]
        assert _merged(slots_of(gbnf(plan))) == _merged(slots)
        assert says(plan, first(plan))
        assert not says(plan, first(plan) + " ")


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_the_question_is_the_same_in_grammar_mode_and_holds_no_sign_that_acts_in_free_mode(
    name: str, place: str
) -> None:
    facts, plain = hostile(name, place), benign()
    for style in STYLES:
        assert messages(facts, style, "en", "grammar") == messages(plain, style, "en", "grammar")
        asked, known = messages(facts, style, "en", "free"), messages(plain, style, "en", "free")
        for one, other in zip(asked, known, strict=True):
            lines = one["content"].split("\n")
            assert len(lines) == other["content"].count("\n") + 1
            for line in lines:
                assert not {unicodedata.category(sign) for sign in line} & _UNSEEN
                assert "<|" not in line
            assert len(one["content"]) < len(other["content"]) + 40 * _LONGEST_SHOWN


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= "a" "b"*',
        'root ::= "a" [^x]',
        'root ::= "a"\nroot ::= "b"',
        'root ::= "a" choice-0',
        'root ::= "a\\" "b',
        'root ::= "a" ("b" | "c")',
        "root ::= ",
        'rest ::= "a"',
    ],
)
def test_the_reader_of_grammars_refuses_what_is_not_alternatives_of_literals(grammar: str) -> None:
    with pytest.raises(NotPlain):
        slots_of(grammar + "\n")


def test_the_reader_of_grammars_reads_escapes() -> None:
    grammar = 'root ::= "a\\"\\\\" choice-0\nchoice-0 ::= "\\u00E9" | "\\U0001F9EC" | "\\x41\\n"\n'
    assert slots_of(grammar) == [('a"\\',), ("é", "\U0001f9ec", "A\n")]


def _unquoted(text: str) -> str:
    """Without what stands in quotes, English or German, as a name."""
    return re.sub(r"“[^”]*”|„[^“]*“", "“”", text)


def _merged(slots: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Neighbours that leave no choice as one."""
    merged: list[tuple[str, ...]] = []
    for slot in slots:
        if merged and len(slot) == len(merged[-1]) == 1:
            merged[-1] = (merged[-1][0] + slot[0],)
        else:
            merged.append(slot)
    return merged
