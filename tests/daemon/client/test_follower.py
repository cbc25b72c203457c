"""The subscriber's rules without sockets, against a journal that is a list."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.daemon.client.control import Batch, Stored
from phenostream.daemon.client.errors import JournalReplaced
from phenostream.daemon.client.follower import Follower
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import encode_offset
from phenostream.engine.errors import BadMessage


def live(offset: int) -> list[bytes]:
    return [b"status", encode_offset(offset), pack({"v": 1, "n": offset})]


def mark(newest: int | None) -> list[bytes]:
    return [b"highwater", encode_offset(newest or 0), pack({"v": 1, "newest": newest})]


def batch(first: int, end: int, newest: int, oldest: int = 0) -> Batch:
    records = tuple(Stored("status", n, live(n)[2]) for n in range(first, end))
    return Batch(records, max(first, end), newest, oldest)


def stepping(since: int, held: list[int], end: int, newest: int) -> Batch:
    """An answer that steps over what is lost."""
    return Batch(tuple(Stored("status", n, live(n)[2]) for n in held), end, newest, since)


def offsets(follower: Follower) -> list[int]:
    got = [record.offset for record in follower.ready]
    assert got == [record.facts["n"] for record in follower.ready]
    return got


@settings(deadline=None)
@given(
    fates=st.lists(st.sampled_from(["seen", "lost", "twice", "mark"]), max_size=40),
    since=st.none() | st.integers(0, 5),
    step=st.integers(1, 7),
    oldest=st.integers(0, 4),
)
def test_every_record_comes_once_in_order_or_is_a_named_gap(
    fates: list[str], since: int | None, step: int, oldest: int
) -> None:
    """Whatever of a journal reaches a subscriber live, repaired in batches of any size."""
    follower = Follower("here", since, repairs=True)
    gaps: list[int] = []
    follower.on_gap = lambda first, last: gaps.extend(range(first, last + 1))

    def repair(n: int) -> None:
        while (wanted := follower.wanted) is not None:
            first = max(wanted, oldest)
            follower.absorb(batch(first, min(first + step, n), n - 1, oldest))

    n = 6
    repair(n)
    for fate in fates:
        if fate != "lost":
            follower.take(mark(n - 1) if fate == "mark" else live(n))
        n += fate != "mark"
        if fate == "twice":
            follower.take(live(n - 1))
        repair(n)
    follower.take(mark(n - 1))
    repair(n)
    delivered = offsets(follower)
    begun = since if since is not None else min(delivered, default=n)
    assert sorted(delivered + gaps) == list(range(begun, n))
    assert delivered == sorted(delivered)
    assert gaps == list(range(begun, min(oldest, n))) if since is not None else not gaps


def test_without_a_journal_a_hole_is_a_gap_and_the_stream_goes_on() -> None:
    follower, gaps = Follower("here", None, repairs=False), []
    follower.on_gap = lambda first, last: gaps.append((first, last))
    for message in (live(3), live(6), mark(8), live(9)):
        follower.take(message)
    assert offsets(follower) == [3, 6, 9]
    assert gaps == [(4, 5), (7, 8)]


def test_a_gap_nobody_asked_about_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    follower = Follower("here", None, repairs=False)
    follower.take(live(0))
    follower.take(live(2))
    assert "here: records 1 to 1 were missed" in caplog.text


def test_live_records_wait_until_the_hole_before_them_is_filled() -> None:
    follower = Follower("here", None, repairs=True)
    for message in (live(0), live(4), live(5)):
        follower.take(message)
    assert offsets(follower) == [0]
    assert follower.wanted == 1
    follower.absorb(batch(1, 3, 5))
    assert follower.wanted == 3
    follower.absorb(batch(3, 4, 5))
    assert follower.wanted is None
    assert offsets(follower) == [0, 1, 2, 3, 4, 5]


def test_records_the_journal_does_not_hold_any_more_are_a_gap() -> None:
    follower, gaps = Follower("here", 2, repairs=True), []
    follower.on_gap = lambda first, last: gaps.append((first, last))
    follower.absorb(batch(10, 12, 11, oldest=10))
    assert gaps == [(2, 9)]
    assert offsets(follower) == [10, 11]


def test_asking_from_the_future_waits_for_it() -> None:
    follower = Follower("here", 7, repairs=True)
    follower.absorb(batch(7, 7, 4))
    for message in (mark(4), live(5), live(6), live(7)):
        follower.take(message)
    assert offsets(follower) == [7]


def test_a_shorter_journal_is_another_one() -> None:
    follower = Follower("here", None, repairs=False)
    follower.take(live(9))
    with pytest.raises(JournalReplaced, match="ends at 3, but offset 9 was seen"):
        follower.take(mark(3))


def test_a_mark_that_was_overtaken_by_the_journals_answers_is_no_other_journal() -> None:
    follower = Follower("here", 0, repairs=True)
    follower.take(mark(3))  # published before the answer below, and read after it
    follower.absorb(batch(0, 6, 5))
    assert follower.wanted == 5  # once more, to see that it is still the same
    follower.take(live(6))
    follower.absorb(batch(5, 7, 6))
    assert follower.wanted is None
    assert offsets(follower) == list(range(7))


def test_a_shorter_journal_is_seen_by_asking_it() -> None:
    follower = Follower("here", None, repairs=True)
    follower.take(live(9))
    follower.take(mark(3))
    with pytest.raises(JournalReplaced, match="ends at 3, but offset 9 was seen"):
        follower.absorb(batch(4, 4, 3))


def test_an_empty_journals_mark_says_nothing() -> None:
    follower = Follower("here", None, repairs=True)
    follower.take(mark(None))
    follower.take(live(0))
    assert offsets(follower) == [0]


BROKEN: list[tuple[str, list[bytes]]] = [
    ("parts", [b"status", encode_offset(1)]),
    ("topic", [b"statuses", *live(1)[1:]]),
    ("offset", [b"status", b"1", b"\x80"]),
    ("payload", [b"status", encode_offset(1), b"\xc1"]),
    ("result", [b"result", encode_offset(1), pack({"v": 2})]),
    ("mark", [b"highwater", encode_offset(1), pack({"newest": "1"})]),
    ("negative mark", [b"highwater", encode_offset(1), pack({"newest": -1})]),
]


@pytest.mark.parametrize("parts", [b[1] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_broken_message_raises_once_and_the_stream_goes_on(parts: list[bytes]) -> None:
    follower = Follower("here", None, repairs=False)
    follower.take(live(0))
    with pytest.raises(BadMessage):
        follower.take(parts)
    follower.on_gap = lambda first, last: None
    follower.take(live(2))
    assert offsets(follower) == [0, 2]


def test_what_the_journal_steps_over_is_lost_once_and_not_asked_for_again() -> None:
    follower, gaps = Follower("here", 0, repairs=True), []
    follower.on_gap = lambda first, last: gaps.append((first, last))
    follower.absorb(stepping(0, [2, 3, 6], end=9, newest=11))
    assert offsets(follower) == [2, 3, 6]
    assert gaps == [(0, 1), (4, 5), (7, 8)]
    assert follower.wanted == 9
    follower.absorb(stepping(9, [], end=12, newest=11))
    assert gaps[3:] == [(9, 11)]
    assert follower.wanted is None
    follower.take(mark(11))
    assert follower.wanted is None


def test_a_live_copy_is_delivered_of_what_the_journal_lost_since() -> None:
    follower, gaps = Follower("here", None, repairs=True), []
    follower.on_gap = lambda first, last: gaps.append((first, last))
    for message in (live(0), live(4), live(5)):
        follower.take(message)
    follower.absorb(stepping(1, [8], end=9, newest=8))
    assert offsets(follower) == [0, 4, 5]
    assert gaps == [(1, 3)]


def test_another_journal_that_is_longer_is_seen_when_the_daemon_comes_back() -> None:
    follower = Follower("here", None, repairs=True)
    for message in ([b"welcome"], live(3), [b"welcome"]):
        follower.take(message)
    assert follower.wanted == 3
    other = Batch((Stored("status", 3, pack({"v": 1, "n": "other"})),), 4, 9, 0)
    for _ in range(2):
        with pytest.raises(JournalReplaced, match="offset 3 holds another record"):
            follower.absorb(other)


def test_the_same_journal_is_followed_on_when_the_daemon_comes_back() -> None:
    follower = Follower("here", None, repairs=True)
    for message in (live(3), [b"welcome"]):
        follower.take(message)
    follower.absorb(batch(3, 6, 5))
    follower.take(live(6))
    assert offsets(follower) == [3, 4, 5, 6]
    assert follower.wanted is None


def test_a_journal_that_ends_before_what_was_published_is_another_one() -> None:
    follower = Follower("here", None, repairs=True)
    for message in (live(0), live(9)):
        follower.take(message)
    with pytest.raises(JournalReplaced, match="ends at 3, but offset 8 was seen"):
        follower.absorb(batch(1, 4, 3))
