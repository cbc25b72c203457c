"""One request, one answer: only a CURVE key of the right role is let in."""

from pathlib import Path

import pytest
from zmq.utils import z85

from phenostream.daemon.security.allow_list import AllowList
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.daemon.security.zap import judge

GOOD = b"1.0"


@pytest.fixture
def allowed(tmp_path: Path) -> tuple[AllowList, bytes]:
    """A list with one source, and its key in 32 bytes."""
    make_server(tmp_path / "keys")
    key = make_client(tmp_path / "keys", "scope-1", "source", tmp_path / "c")
    return AllowList.read(tmp_path / "keys"), z85.decode(key)


def request(key: bytes, domain: bytes = b"ingest", mechanism: bytes = b"CURVE") -> list[bytes]:
    return [GOOD, b"7", domain, b"10.0.0.9", b"", mechanism, key]


def test_a_key_of_the_right_role_is_let_in_and_named(allowed: tuple[AllowList, bytes]) -> None:
    verdict = judge(request(allowed[1]), allowed[0])
    assert verdict.parts[:3] == [GOOD, b"7", b"200"]
    assert verdict.user == verdict.parts[4].decode()
    assert verdict.user.startswith("source/scope-1/")
    assert verdict.user in allowed[0].users


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"domain": b"control"}, "10.0.0.9 at control: key "),
        ({"domain": b""}, "is not let in"),
        ({"domain": b"\xff"}, "is not let in"),
        ({"mechanism": b"NULL"}, "no CURVE key"),
        ({"mechanism": b"PLAIN"}, "no CURVE key"),
        ({"key": bytes(32)}, "is not let in"),
        ({"key": b"short"}, "no CURVE key"),
    ],
)
def test_whatever_else_is_refused_and_told(
    allowed: tuple[AllowList, bytes], change: dict[str, bytes], told: str
) -> None:
    verdict = judge(request(**{"key": allowed[1]} | change), allowed[0])
    assert verdict.user is None
    assert verdict.parts[:3] == [GOOD, b"7", b"400"]
    assert verdict.parts[4] == b""
    assert told in verdict.told


@pytest.mark.parametrize("parts", [[], [GOOD], [b"2.0", b"7", b"ingest", b"", b"", b"CURVE"]])
def test_a_broken_request_is_answered(allowed: tuple[AllowList, bytes], parts: list[bytes]) -> None:
    verdict = judge(parts, allowed[0])
    assert verdict.user is None
    assert verdict.parts[2] == b"500"
    assert len(verdict.parts) == 6
