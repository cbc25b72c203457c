"""Compact sets of frame numbers against Python's own sets."""

from hypothesis import given
from hypothesis import strategies as st

from phenostream.daemon.sequences import SequenceSet

numbers = st.lists(st.integers(0, 40) | st.sampled_from([2**64 - 1, 2**64 - 2, 2**63]))


@given(numbers)
def test_holds_exactly_what_was_added(added: list[int]) -> None:
    compact, plain = SequenceSet(), set[int]()
    for number in added:
        assert compact.add(number) == (number not in plain)
        plain.add(number)
    assert len(compact) == len(plain)
    assert all((n in compact) == (n in plain) for n in range(45))
    assert compact.end == max(plain, default=-1) + 1
    assert compact.prefix == next(n for n in range(len(plain) + 1) if n not in plain)


@given(st.permutations(range(30)))
def test_any_order_without_a_gap_ends_as_one_interval(order: list[int]) -> None:
    compact = SequenceSet()
    for number in order:
        compact.add(number)
    assert compact.intervals == 1
    assert compact.prefix == 30
