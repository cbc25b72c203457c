"""Where HTTP may be served: on this box, or on a network by consent."""

from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.config import parse_config
from phenostream.engine.errors import BadConfig

LEAST: dict[str, Any] = {"journal": {"directory": "journal"}, "model": {"bundle": "bundle"}}


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:9750", "127.0.0.1", 9750),
        ("localhost:1", "localhost", 1),
        ("[::1]:65535", "::1", 65535),
        ("127.0.0.1:*", "127.0.0.1", 0),
    ],
)
def test_an_address_of_this_box(address: str, host: str, port: int) -> None:
    monitor = parse_config(LEAST | {"monitor": {"address": address}}, Path("/site")).monitor
    assert (monitor.host, monitor.port, monitor.is_local) == (host, port, True)


def test_nothing_speaks_http_by_default() -> None:
    monitor = parse_config(LEAST, Path("/site")).monitor
    assert (monitor.address, monitor.start, monitor.is_local) == ("", True, True)


@pytest.mark.parametrize(
    "address",
    ["9750", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "::1:9750",
     "[127.0.0.1]:9750", "box:9750", "http://127.0.0.1:9750", "ipc:///x", ":9750"],
)  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(BadConfig, match=r"monitor.address: .*: allowed ADDRESS:PORT"):
        parse_config(LEAST | {"monitor": {"address": address}}, Path("/site"))


@pytest.mark.parametrize("address", ["0.0.0.0:9750", "192.168.1.4:9750", "[::]:9750"])
def test_a_network_needs_consent(address: str) -> None:
    wish = LEAST | {"monitor": {"address": address}}
    with pytest.raises(BadConfig, match=r"monitor.address: .*security.plain = \['monitor'\]"):
        parse_config(wish, Path("/site"))
    told = parse_config(wish | {"security": {"plain": ["monitor"]}}, Path("/site"))
    assert not told.monitor.is_local


def test_nobody_consents_to_what_is_not_there() -> None:
    with pytest.raises(
        BadConfig, match=r"security.plain: 'monitor': allowed ingest, results, control"
    ):
        parse_config(LEAST | {"security": {"plain": ["monitor"]}}, Path("/site"))


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:4318", "https://collector.example/v1/traces", "http://[::1]:1/x"]
)
def test_traces_go_to_a_collector_or_nowhere(url: str) -> None:
    monitor = parse_config(LEAST | {"monitor": {"traces_to": url}}, Path("/site")).monitor
    assert (monitor.traces_to, monitor.traces_one_in) == (url, 100)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:4318", "ftp://box/", "http://", "http://box:x", "http://box:99999", "http://a b",
     "http://box/\n", "file:///etc/passwd"],
)  # fmt: skip
def test_what_is_no_collector(url: str) -> None:
    with pytest.raises(BadConfig, match=r"monitor.traces_to: .*allowed http:// or https://"):
        parse_config(LEAST | {"monitor": {"traces_to": url}}, Path("/site"))
