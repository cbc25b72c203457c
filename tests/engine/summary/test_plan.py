from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.engine.errors import EngineFault
from phenostream.engine.summary.plan import (
    Plan,
    Slot,
    choices,
    first,
    gbnf,
    longest,
    one_of,
    says,
    split_tail,
)

words = st.text("ab", max_size=3)
plans = st.lists(
    st.lists(words, min_size=1, max_size=3, unique=True).map(lambda texts: Slot(tuple(texts))),
    max_size=5,
).map(tuple)


def texts_of(plan: Plan) -> set[str]:
    return {"".join(chosen) for chosen in product(*(slot.alternatives for slot in plan))}


@settings(deadline=None)
@given(plan=plans, text=st.text("ab", max_size=9))
def test_a_plan_says_its_texts_and_no_other(plan: Plan, text: str) -> None:
    texts = texts_of(plan)
    assert all(says(plan, one) for one in texts)
    assert says(plan, text) == (text in texts)
    assert first(plan) in texts
    assert max(map(len, texts)) == longest(plan)
    assert len(texts) <= choices(plan)


@settings(deadline=None)
@given(plan=plans)
def test_what_follows_the_last_choice_needs_nobody_to_choose_it(plan: Plan) -> None:
    head, tail = split_tail(plan)
    assert {text + tail for text in texts_of(head)} == texts_of(plan)
    assert not head or len(head[-1].alternatives) > 1


def test_a_text_that_could_be_read_in_many_ways_is_recognised_at_once() -> None:
    plan = (Slot(("a", "aa", "")),) * 100  # 3 ** 100 ways: trying them would never end
    assert says(plan, "a" * 150)
    assert not says(plan, "a" * 150 + "b")
    assert not says(plan, "a" * 10**7)


@pytest.mark.parametrize("alternatives", [(), ("a", "a"), ("a\n",), ("\x1b[2J",), ("\u202e",)])
def test_a_slot_holds_different_texts_that_can_be_shown(alternatives: tuple[str, ...]) -> None:
    with pytest.raises(EngineFault, match="slot: "):
        Slot(alternatives)


def test_the_grammar_has_one_rule_for_each_choice_and_joins_what_is_fixed() -> None:
    plan = (one_of("3 "), one_of("cells"), one_of(" are", " were"), one_of(" here."))
    assert gbnf(plan) == 'root ::= "3 cells" choice-0 " here."\nchoice-0 ::= " are" | " were"\n'
    assert gbnf(()) == 'root ::= ""\n'


def test_a_literal_cannot_be_left() -> None:
    grammar = gbnf((one_of('a" | root', "\\", "µ\U0001f9ab“ ]["),))
    assert grammar.isascii()
    assert grammar == (
        'root ::= choice-0\nchoice-0 ::= "a\\" | root" | "\\\\" | "\\u00B5\\U0001F9AB\\u201C ]["\n'
    )
