"""The credit and the order of re-sending, as a machine over a model."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.daemon.client.in_flight import InFlight, Outgoing


def outgoing(seq: int, size: int = 10) -> Outgoing:
    return Outgoing(seq, b"", memoryview(bytes(size)), size)


def sent(in_flight: InFlight) -> list[int]:
    numbers = []
    while (frame := in_flight.next()) is not None:
        numbers.append(frame.frame_seq)
    return numbers


@settings(deadline=None)
@given(
    credit=st.integers(1, 60),
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "settle", "lose", "back"]), st.integers(0, 30)),
        max_size=60,
    ),
)
def test_the_credit_holds_and_no_frame_is_forgotten(
    credit: int, steps: list[tuple[str, int]]
) -> None:
    in_flight, unsettled, on_wire = InFlight(credit), [], set[int]()
    for n, (step, size) in enumerate(steps):
        if step == "add":
            in_flight.add(outgoing(n, size))
            unsettled.append((n, size))
        elif unsettled and step in ("settle", "back"):
            seq = unsettled[size % len(unsettled)][0]
            if step == "settle":
                assert in_flight.settle(seq)
                assert not in_flight.settle(seq)
                unsettled = [pair for pair in unsettled if pair[0] != seq]
            else:
                in_flight.take_back(seq)
            on_wire.discard(seq)
        elif step == "lose":
            assert in_flight.rewind() == len(on_wire)
            on_wire.clear()
        now = sent(in_flight)
        assert now == sorted(now)
        on_wire |= set(now)
        held = sum(pair[1] for pair in unsettled if pair[0] in on_wire)
        assert in_flight.sent_bytes == held
        assert held <= credit or sum(1 for pair in unsettled if pair[0] in on_wire and pair[1]) == 1
        assert len(in_flight) == len(unsettled)
    in_flight.rewind()
    in_flight.credit_bytes = 10**6
    assert sent(in_flight) == [seq for seq, _ in unsettled]


def shot(seq: int, which: str, claim: int = 10) -> Outgoing:
    return Outgoing(seq, b"", memoryview(bytes(claim // 2)), claim, which)


@settings(deadline=None)
@given(
    credit=st.integers(1, 60),
    claims=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
    steps=st.lists(st.tuples(st.sampled_from(["settle", "lose", "back"]), st.integers(0, 30))),
)
def test_what_was_begun_never_waits_for_credit_and_no_shot_is_forgotten(
    credit: int, claims: list[int], order: random.Random, steps: list[tuple[str, int]]
) -> None:
    """Shots of several frames in any order, with settlements, losses and refusals between them."""
    in_flight, wire, settled = InFlight(credit, shots=2), dict[int, set[str]](), set[int]()
    handed = dict[int, set[str]]()
    shots = [(seq, which) for seq in range(len(claims)) for which in ("left", "right")]
    order.shuffle(shots)
    for number, (seq, which) in enumerate(shots):
        assert in_flight.is_new(seq, which)
        in_flight.add(shot(seq, which, claims[seq]))
        assert not in_flight.is_new(seq, which)
        assert not in_flight.is_new(seq, None)
        handed.setdefault(seq, set()).add(which)
        step, which_one = steps[number] if number < len(steps) else ("", 0)
        unsettled = [seq for seq in handed if seq not in settled]
        chosen = unsettled[which_one % len(unsettled)] if unsettled else -1
        if step == "settle" and chosen >= 0:
            assert in_flight.settle(chosen)
            settled.add(chosen)
            wire.pop(chosen, None)
        elif step == "back" and chosen >= 0:
            in_flight.take_back(chosen)
            wire.pop(chosen, None)
        elif step == "lose":
            assert in_flight.rewind() == len(wire)
            wire.clear()
        while (message := in_flight.next()) is not None:
            sent_before = wire.setdefault(message.frame_seq, set())
            assert message.shot is not None
            assert message.shot not in sent_before
            sent_before.add(message.shot)
        claimed = sum(claims[seq] for seq in wire)
        assert in_flight.sent_bytes == claimed
        assert claimed <= credit or len(wire) == 1
        assert all(wire[seq] == handed[seq] for seq in wire)
        assert len(in_flight) == len([seq for seq in handed if seq not in settled])
        assert in_flight.n_known == len(handed)


def test_a_begun_frame_goes_on_while_the_next_one_waits_for_credit() -> None:
    in_flight = InFlight(10, shots=2)
    in_flight.add(shot(0, "left"))
    in_flight.add(shot(1, "left"))
    in_flight.add(shot(0, "right"))
    assert sent(in_flight) == [0, 0]
    assert not in_flight.has_room(1)
    in_flight.settle(0)
    in_flight.add(shot(1, "right"))
    assert sent(in_flight) == [1, 1]


def test_a_shot_of_a_frame_that_has_its_fate_is_not_sent() -> None:
    in_flight = InFlight(10, shots=2)
    in_flight.add(shot(0, "left"))
    assert sent(in_flight) == [0]
    in_flight.settle(0)
    assert in_flight.is_new(0, "right")
    in_flight.add(shot(0, "right"))
    assert sent(in_flight) == []
    assert not in_flight.is_new(0, "right")
    assert (len(in_flight), in_flight.n_known) == (0, 1)


def test_a_resumed_run_counts_what_came_before() -> None:
    in_flight = InFlight(100, floor=5)
    assert in_flight.n_known == in_flight.end == 5
    assert in_flight.has_used(4)
    assert not in_flight.has_used(5)
    in_flight.add(outgoing(7))
    assert (in_flight.n_known, in_flight.end) == (6, 8)


def test_a_frame_taken_back_goes_out_before_the_later_ones() -> None:
    in_flight = InFlight(30)
    for seq in range(5):
        in_flight.add(outgoing(seq))
    assert sent(in_flight) == [0, 1, 2]
    in_flight.take_back(1)
    assert not in_flight.has_room(1)
    in_flight.settle(0)
    assert sent(in_flight) == [1, 3]


def test_the_error_line_shortens_long_lists() -> None:
    in_flight = InFlight(1)
    assert in_flight.describe() == "none"
    for seq in range(7):
        in_flight.add(outgoing(seq))
    assert in_flight.describe() == "0, 1, 2, 3, 4 and 2 more"


def test_settling_up_to_a_number_says_how_many() -> None:
    in_flight = InFlight(100)
    for seq in (0, 2, 5):
        in_flight.add(outgoing(seq))
    assert in_flight.settle_up_to(None) == 0
    assert in_flight.settle_up_to(2) == 2
    assert in_flight.describe() == "5"
