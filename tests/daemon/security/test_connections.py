"""What a connection sent and did not hand over is known to the byte, and too much of it is its end."""

import os
import socket
from collections.abc import Iterator

import pytest

from phenostream.daemon.security.connections import LEAK_BYTES_PER_S, Connections
from phenostream.daemon.security.turnstile import Turnstile, wire_bytes

BUDGET = 100_000
Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this box."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def ends(listener: socket.socket) -> Iterator[Ends]:
    """Theirs and ours of one connection."""
    theirs = socket.create_connection(listener.getsockname())
    ours, _ = listener.accept()
    with theirs, ours:
        yield theirs, ours


def arrive(ends: Ends, size: int) -> None:
    """Bytes that the kernel has received by the time this returns."""
    ends[0].sendall(bytes(size))
    left = size
    while left:
        left -= len(ends[1].recv(left))


def is_cut(ends: Ends) -> bool:
    ends[0].settimeout(0.2)
    try:
        return ends[0].recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_what_is_handed_over_does_not_count(ends: Ends) -> None:
    gate = Turnstile()
    connections, number = Connections(8, BUDGET, gate), ends[1].fileno()
    assert connections.opened(number, ours=False)
    for _ in range(20):
        arrive(ends, BUDGET // 2)
        gate.delivered[number] = gate.delivered.get(number, 0) + BUDGET // 2
        assert connections.sweep(0.0) == 0
    assert not is_cut(ends)


def test_what_is_not_handed_over_ends_the_connection(ends: Ends) -> None:
    connections = Connections(8, BUDGET, Turnstile())
    connections.opened(ends[1].fileno(), ours=False)
    arrive(ends, BUDGET)
    assert connections.sweep(0.0) == 0
    arrive(ends, 1)
    assert connections.sweep(0.0) == 1
    assert is_cut(ends)
    assert len(connections) == 0
    assert connections.tally.over_budget == 1


def test_subscriptions_are_held_on_to(ends: Ends) -> None:
    gate = Turnstile()
    connections, number = Connections(8, BUDGET, gate, refunds=False), ends[1].fileno()
    connections.opened(number, ours=False)
    arrive(ends, BUDGET + 1)
    gate.delivered[number] = BUDGET + 1
    assert connections.sweep(0.0) == 1


def test_heartbeats_leak_away_and_give_no_credit(ends: Ends) -> None:
    connections = Connections(8, BUDGET, Turnstile())
    connections.opened(ends[1].fileno(), ours=False)
    arrive(ends, 1000)
    assert connections.sweep(1e6) == 0  # long silence saves nothing up
    arrive(ends, BUDGET + LEAK_BYTES_PER_S + 1)
    assert connections.sweep(1.0) == 1


def test_one_too_many_ends_the_oldest_that_never_spoke(listener: socket.socket) -> None:
    gate = Turnstile()
    connections, pairs = Connections(2, BUDGET, gate), []
    for _ in range(3):
        theirs = socket.create_connection(listener.getsockname())
        pairs.append((theirs, listener.accept()[0]))
    speaker, silent, late = pairs
    assert connections.opened(speaker[1].fileno(), ours=False)
    gate.delivered[speaker[1].fileno()] = 10
    assert connections.opened(silent[1].fileno(), ours=False)
    assert not connections.opened(late[1].fileno(), ours=False)
    assert [is_cut(pair) for pair in pairs] == [False, True, False]
    gate.delivered[late[1].fileno()] = 10
    newest = socket.create_connection(listener.getsockname()), listener.accept()[0]
    assert not connections.opened(newest[1].fileno(), ours=False)  # the others all spoke
    assert is_cut(newest)
    assert connections.tally.over_cap == 2
    for one in (*pairs, newest):
        for end in one:
            end.close()


def test_a_descriptor_that_is_another_connection_by_now_is_left_alone(
    listener: socket.socket, ends: Ends
) -> None:
    connections, number = Connections(8, 0, Turnstile()), ends[1].fileno()
    connections.opened(number, ours=False)
    arrive(ends, 100)
    theirs = socket.create_connection(listener.getsockname())
    other, _ = listener.accept()
    with theirs, other:
        os.dup2(other.fileno(), number)  # closes ours, and its number is the other's
        assert connections.sweep(0.0) == 0
        assert not is_cut((theirs, other))


def test_those_whose_key_was_removed_go(ends: Ends) -> None:
    gate = Turnstile()
    connections, number = Connections(8, BUDGET, gate), ends[1].fileno()
    connections.opened(number, ours=False)
    assert connections.remove(lambda user: False) == 0  # nobody knows yet who it is
    gate.users[number] = "source/scope-1/key"
    assert connections.remove(lambda user: True) == 0
    assert connections.remove(lambda user: False) == 1
    assert is_cut(ends)


@pytest.mark.parametrize(
    ("size", "curve", "expected"),
    [(0, False, 2), (255, False, 257), (256, False, 265), (0, True, 35), (222, True, 257), (223, True, 265)],
)  # fmt: skip
def test_a_part_takes_its_frame_on_the_wire(size: int, curve: bool, expected: int) -> None:
    assert wire_bytes(size, curve=curve) == expected
