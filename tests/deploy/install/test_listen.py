"""Where an instance is reached, from the command line."""

import pytest

from phenostream.deploy.install.listen import Listen, free_ports
from phenostream.engine.errors import BadConfig


@pytest.mark.parametrize(
    ("text", "network", "agrees", "not_with"),
    [
        ("ipc", "local", "ipc:///run/x", "tcp://*:1"),
        ("*", "lan", "tcp://*:5555", "tcp://10.0.0.5:5555"),
        ("10.0.0.5:6000", "lan", "tcp://10.0.0.5:6000", "tcp://10.0.0.5:6001"),
        ("127.0.0.1", "box", "tcp://127.0.0.1:1", "ipc:///run/x"),
        ("127.0.0.1", "box", "tcp://127.0.0.1:*", "tcp://10.0.0.5:*"),
        ("127.0.0.1:6000", "box", "tcp://127.0.0.1:6000", "tcp://127.0.0.1:*"),
        ("[::1]:6000", "box", "tcp://[::1]:6000", "tcp://[::1]:7"),
    ],
)
def test_what_may_be_asked_for(text: str, network: str, agrees: str, not_with: str) -> None:
    listen = Listen.parsed(text)
    assert (str(listen), listen.network) == (text, network)
    assert listen.agrees_with(agrees)
    assert not listen.agrees_with(not_with)


@pytest.mark.parametrize("text", ["", "a b", "10.0.0.5:0", "10.0.0.5:65534", "10.0.0.5:x", 'x"y'])
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadConfig, match=r"--listen .*allowed ipc, or ADDRESS"):
        Listen.parsed(text)


def test_ports_in_a_row_are_free_of_all_that_is_taken() -> None:
    assert free_ports(5555, 3, set()) == 5555
    assert free_ports(5555, 3, {5557, 5558}) == 5561
    assert free_ports(9750, 1, {9750}) == 9751
    with pytest.raises(BadConfig, match="no 3 ports in a row"):
        free_ports(65000, 3, set(range(65000, 65536)))
