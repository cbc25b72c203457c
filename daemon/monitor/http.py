"""The little of HTTP/1.1 that is spoken here: a request's head as bytes, read strictly, and a response as bytes.

One request a connection, GET or HEAD, no body, UTF-8 out. Knows no socket and no clock.
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

MOST_HEAD_BYTES: Final = 8192
"""Of the request line and all headers together; none of ours needs a tenth of it."""
_MOST_TARGET: Final = 1024
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_ALWAYS: Final = (
    "Connection: close",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
)
METHODS: Final = ("GET", "HEAD")


class Unfit(Exception):
    """A request that is not answered with what it asked for.

    Attributes:
        code: Status code.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        method: One of `METHODS`.
        path: Without the query, percent-decoded; begins with a slash.
        host: Whom the client means to talk to, as it says; without the port.
    """

    method: str
    path: str
    host: str


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    code: int
    media_type: str
    body: bytes

    @classmethod
    def of_json(cls, value: Any, code: int = 200) -> "Response":
        """A JSON value; numbers that are not finite are refused."""
        body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        return cls(code, "application/json", body)

    @classmethod
    def of_error(cls, code: int, why: str) -> "Response":
        """Why not, in one line; the form is KServe's."""
        return cls.of_json({"error": why}, code)

    def as_bytes(self, *, without_body: bool = False) -> bytes:
        """What goes onto the wire; `without_body` for HEAD."""
        lines = [
            f"HTTP/1.1 {self.code} {_REASONS[self.code]}",
            f"Content-Type: {self.media_type}",
            f"Content-Length: {len(self.body)}",
            *_ALWAYS,
            *([f"Allow: {', '.join(METHODS)}"] if self.code == 405 else []),
        ]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return head if without_body else head + self.body


def parsed(head: bytes) -> Request:
    """The request that a head asks for.

    Args:
        head: Up to and with the empty line.

    Raises:
        Unfit: It is none, or none of those that are answered.
    """
    line, _, rest = head.partition(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or not line.isascii() or not words[2].startswith(b"HTTP/"):
        raise Unfit(400, "allowed METHOD TARGET HTTP/1.1")
    method, target, version = (word.decode("ascii") for word in words)
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise Unfit(505, "allowed HTTP/1.0 and HTTP/1.1")
    if method not in METHODS:
        raise Unfit(405, f"allowed {' and '.join(METHODS)}")
    if not target.startswith("/") or len(target) > _MOST_TARGET:
        raise Unfit(400, f"allowed a path of at most {_MOST_TARGET} characters, led by a slash")
    headers = _headers(rest)
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise Unfit(400, "allowed a request without a body")
    return Request(method, unquote(target.partition("?")[0]), _host(headers.get("host", "")))


def _headers(lines: bytes) -> dict[str, str]:
    """By name in lower case; where one stands twice, the last."""
    headers: dict[str, str] = {}
    for line in lines.split(b"\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or not name.isascii():
            raise Unfit(400, "allowed headers NAME: VALUE")
        headers[name.decode("ascii").lower()] = value.strip().decode("latin-1")
    return headers


def _host(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]
