"""Where a process beside a daemon finds it."""

import pytest

from phenostream.deploy.nearby import reached
from phenostream.engine.errors import BadConfig


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("ipc:///run/results", "ipc:///run/results"),
        ("tcp://10.0.0.7:5556", "tcp://10.0.0.7:5556"),
        ("tcp://*:5556", "tcp://127.0.0.1:5556"),
        ("tcp://0.0.0.0:5556", "tcp://127.0.0.1:5556"),
        ("tcp://[::]:5556", "tcp://[::1]:5556"),
    ],
)
def test_a_daemon_that_listens_everywhere_is_reached_on_its_own_box(
    endpoint: str, expected: str
) -> None:
    assert reached(endpoint, "results") == expected


def test_a_port_that_only_the_daemon_knows_must_be_told() -> None:
    with pytest.raises(
        BadConfig, match=r"control.endpoint: tcp://\*:\*: allowed a port, or --control URL"
    ):
        reached("tcp://*:*", "control")
