"""Where a socket listens, also in a sandbox that forbids to ask for network interfaces."""

import socket as kernel
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from phenostream.daemon.socket_options import Context, bind
from phenostream.engine.errors import BadConfig


@pytest.fixture
def context() -> Iterator[Context]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def _no_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sandboxed(kernel.socket):
        def __init__(self, family: int = -1, *more: Any, **named: Any) -> None:
            if family == kernel.AF_NETLINK:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *more, **named)

    monkeypatch.setattr(kernel, "socket", Sandboxed)


@pytest.mark.parametrize("host", ["127.0.0.1", "*", "localhost"])
def test_whoever_connects_to_the_endpoint_that_is_told_is_heard(
    context: Context, host: str
) -> None:
    with context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        endpoint = bind(pull, f"tcp://{host}:*", "ingest.endpoint")
        push.connect(endpoint.replace("0.0.0.0", "127.0.0.1"))  # noqa: S104 - compared
        push.send(b"x")
        assert pull.poll(10_000)
        assert pull.recv() == b"x"
        with pytest.raises(BadConfig, match="address already in use"):
            bind(context.socket(zmq.PULL), endpoint, "ingest.endpoint")


@pytest.mark.usefixtures("_no_netlink")
def test_without_netlink_an_address_is_fine_and_a_name_is_refused_not_fatal(
    context: Context,
) -> None:
    with context.socket(zmq.PULL) as pull:
        assert bind(pull, "tcp://127.0.0.1:*", "ingest.endpoint").startswith("tcp://127.0.0.1:")
    with pytest.raises(BadConfig, match=r"ingest.endpoint: tcp://lo:\*: allowed \* or an IPv4"):
        bind(context.socket(zmq.PULL), "tcp://lo:*", "ingest.endpoint")


def test_an_address_of_another_box_is_refused(context: Context) -> None:
    with pytest.raises(BadConfig, match="cannot assign requested address"):
        bind(context.socket(zmq.PULL), "tcp://192.0.2.1:5555", "ingest.endpoint")
