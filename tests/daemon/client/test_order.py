"""The place of a subscriber, as a table."""

from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.daemon.client.order import Order


def test_the_first_record_sets_the_place() -> None:
    order = Order()
    assert order.missing_before(7) is None
    assert order.accept(7)
    assert order.next == 8


def test_a_hole_is_named_and_a_repeat_is_dropped() -> None:
    order = Order(5)
    assert order.missing_before(8) == (5, 7)
    order.skip_to(8)
    assert order.accept(8)
    assert not order.accept(8)
    assert not order.accept(6)


def test_the_first_mark_says_where_the_journal_stands_and_the_next_what_is_missing() -> None:
    order = Order()
    assert order.missing_up_to(10) is None
    assert order.missing_up_to(12) == (11, 12)


def test_a_journal_that_ends_before_what_was_seen_is_another_one() -> None:
    order = Order()
    assert not order.is_ahead_of(None)
    order.accept(3)
    assert order.is_ahead_of(2)
    assert order.is_ahead_of(None)
    assert not order.is_ahead_of(3)


def test_asking_for_the_future_is_not_being_ahead() -> None:
    assert not Order(100).is_ahead_of(50)


@settings(deadline=None)
@given(st.lists(st.integers(0, 30)))
def test_what_is_accepted_rises_whatever_comes(offsets: list[int]) -> None:
    order = Order()
    accepted = [offset for offset in offsets if order.accept(offset)]
    assert accepted == sorted(set(accepted))
