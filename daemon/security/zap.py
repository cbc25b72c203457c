"""The ZeroMQ Authentication Protocol (RFC 27): one request, one answer; no socket in here.

Only CURVE is let in, by the allow-list of the socket's domain, which names its place. The user id that libzmq then
attaches to every message of the connection is ``ROLE/NAME/KEY``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zmq.utils import z85

from phenostream.daemon.security.allow_list import PLACES, AllowList

ENDPOINT: Final = "inproc://zeromq.zap.01"
_VERSION: Final = b"1.0"
_LEAST_PARTS: Final = 6
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered.

    Attributes:
        parts: The reply.
        user: Who is let in; None for nobody.
        told: One line about who was not, for the log.
    """

    parts: list[bytes]
    user: str | None
    told: str = ""


def judge(request: Sequence[bytes], allowed: AllowList) -> Verdict:
    """Let in or refuse one connection."""
    if len(request) < _LEAST_PARTS or request[0] != _VERSION:
        return Verdict(_reply(b"", b"500", b"no request of version 1.0"), None, "a broken request")
    number, domain, address, _identity, mechanism, *credentials = request[1:]
    who, place = address.decode("ascii", "replace"), domain.decode("ascii", "replace")
    if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != _KEY_BYTES:
        told = f"{who} at {place}: no CURVE key"
        return Verdict(_reply(number, b"400", b"no CURVE key"), None, told)
    key = z85.encode(credentials[0])
    user = allowed.user(key, place) if place in PLACES else None
    if user is None:
        told = f"{who} at {place}: key {key.decode()} is not let in"
        return Verdict(_reply(number, b"400", b"not let in"), None, told)
    return Verdict(_reply(number, b"200", b"", user.encode()), user)


def _reply(number: bytes, status: bytes, text: bytes, user: bytes = b"") -> list[bytes]:
    return [_VERSION, number, status, text, user, b""]
