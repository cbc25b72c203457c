"""The credit and the order of re-sending, as a machine over a model."""

from hypothesis import given
from hypothesis import strategies as st

from phenostream.daemon.client.in_flight import InFlight, Outgoing


def outgoing(seq: int, size: int = 10) -> Outgoing:
    return Outgoing(seq, b"", memoryview(bytes(size)))


def sent(in_flight: InFlight) -> list[int]:
    numbers = []
    while (frame := in_flight.next()) is not None:
        numbers.append(frame.frame_seq)
    return numbers


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
