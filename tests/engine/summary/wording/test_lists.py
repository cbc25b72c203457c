from phenostream.engine.summary.facts import ClassFacts
from phenostream.engine.summary.plan import one_of
from phenostream.engine.summary.wording.lists import (
    in_any_order,
    in_some_order,
    joined,
    listed,
    orders,
)


def cells(**counts: int) -> list[ClassFacts]:
    return [ClassFacts(name, n, 0.0, 0.0, 1.0, None, ()) for name, n in counts.items()]


def name(one: ClassFacts) -> str:
    return one.name


def test_the_first_order_is_that_of_the_counts_and_no_two_begin_alike() -> None:
    told = ["".join(map(name, order)) for order in orders(cells(a=1, b=5, c=3, d=0, e=9, f=2))]
    assert told == ["ebcfad", "becfad", "cebfad", "febcad"]


def test_equal_counts_stand_as_in_the_manifest() -> None:
    assert in_some_order(cells(b=2, a=2), name, "and").alternatives == ("b and a", "a and b")


def test_every_order_of_three_is_one_slot() -> None:
    told = in_any_order(cells(a=1, b=5, c=3, d=0), name, "or").alternatives
    assert told[0] == "b, c, a or d"
    assert len(told) == 6
    assert all(text.endswith(" or d") for text in told)
    assert in_any_order(cells(a=1), name, "or").alternatives == ("a",)


def test_items_are_joined_as_in_a_sentence() -> None:
    assert listed(["a"], "and") == "a"
    assert listed(["a", "b", "c"], "and") == "a, b and c"
    item = (one_of("x", "y"),)
    assert joined([], "and") == ()
    assert joined([item], "and") == item
    assert joined([item, item, item], "and") == (
        *item,
        one_of(", "),
        *item,
        one_of(" and "),
        *item,
    )
