"""A request is read strictly, and a response says all that a client must know to stop reading."""

import json

import pytest

from phenostream.daemon.monitor.http import Request, Response, Unfit, parsed


@pytest.mark.parametrize(
    ("head", "request_"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost:9750\r\n\r\n", Request("GET", "/", "localhost")),
        (b"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n", Request("HEAD", "/metrics", "")),
        (b"GET /v2/models/a%20b HTTP/1.1\r\nhost:[::1]:9\r\n\r\n", Request("GET", "/v2/models/a b", "::1")),
        (b"GET /a HTTP/1.1\r\nContent-Length: 0\r\nX: \xff\r\n\r\n", Request("GET", "/a", "")),
    ],
)  # fmt: skip
def test_what_is_asked_for(head: bytes, request_: Request) -> None:
    assert parsed(head) == request_


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),  # TLS
        (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 1024 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/9\r\n\r\n", 505),
    ],
)
def test_what_is_not_answered(head: bytes, code: int) -> None:
    with pytest.raises(Unfit) as refused:
        parsed(head)
    assert refused.value.code == code


def test_a_response_has_its_length_and_ends_the_connection() -> None:
    response = Response.of_json({"live": True})
    head, _, body = response.as_bytes().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Connection: close" in head
    assert json.loads(body) == {"live": True}
    assert response.as_bytes(without_body=True) == head + b"\r\n\r\n"


def test_a_wrong_method_is_told_the_right_ones() -> None:
    assert b"\r\nAllow: GET, HEAD\r\n" in Response.of_error(405, "no").as_bytes()
