"""Whatever clients do, it costs a bounded time, a bounded length, and nobody else's answer."""

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from phenostream.daemon.monitor.http import MOST_HEAD_BYTES, Request, Response
from phenostream.daemon.monitor.server import LOOPBACK_NAMES, MOST_CONNECTIONS, Server
from phenostream.engine.errors import BadConfig

PATIENCE_S = 40.0
GET = b"GET /any HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
Act = Callable[[int], Awaitable[object]]


async def _handle(request: Request) -> Response:
    if request.path == "/long":
        return Response(200, "text/plain", bytes(1 << 24))
    if request.path == "/broken":
        raise RuntimeError("planted")
    return Response.of_json({"path": request.path})


async def _asked(port: int, said: bytes = GET) -> bytes:
    """All that a client hears, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    finally:
        writer.close()


def _served(act: Act, head_s: float = 5.0) -> Counter[str]:
    """Serve while something is done; what was counted."""
    counts: Counter[str] = Counter()

    async def play() -> None:
        server = Server(_handle, counts, LOOPBACK_NAMES, head_s)
        port = await server.start("127.0.0.1", 0)
        await act(port)
        server.close()

    asyncio.run(play())
    return counts


def _code(heard: bytes) -> int:
    return int(heard.split(b" ")[1])


def test_a_request_is_answered_and_its_connection_closed() -> None:
    async def act(port: int) -> None:
        assert (await _asked(port)).endswith(b'{"path":"/any"}\n')

    assert _served(act) == {"200": 1}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 19) + b"\r\n\r\n", 431),
        (b"a" * (2 * MOST_HEAD_BYTES), 431),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET /broken HTTP/1.1\r\n\r\n", 500),
        (b"\x00\r\n\r\n", 400),
    ],
)
def test_a_request_that_is_none_of_ours_is_told_so(said: bytes, code: int) -> None:
    async def act(port: int) -> None:
        assert _code(await _asked(port, said)) == code

    assert _served(act) == {str(code): 1}


def test_a_head_that_never_ends_is_given_its_time_and_no_more() -> None:
    async def drip(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def say() -> None:
            while not writer.is_closing():
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.02)

        saying = asyncio.create_task(say())
        assert _code(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)) == 408
        saying.cancel()
        writer.close()

    async def act(port: int) -> None:
        await asyncio.gather(drip(port), _asked(port))

    assert _served(act, head_s=0.3) == {"200": 1, "408": 1}


def test_the_silent_hold_up_only_each_other() -> None:
    async def act(port: int) -> None:
        silent = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(10 * MOST_CONNECTIONS)
        ]
        for _ in range(10):
            assert _code(await _asked(port)) == 200
        for _, writer in silent:
            writer.close()

    counts = _served(act)
    assert counts["200"] == 10
    assert counts["given_up"] >= 9 * MOST_CONNECTIONS


def test_those_who_ask_and_read_nothing_hold_up_only_each_other() -> None:
    async def act(port: int) -> None:
        deaf = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_CONNECTIONS)]
        for reader, writer in deaf:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
            writer.write(b"GET /long HTTP/1.1\r\n\r\n")
            await writer.drain()
            assert not reader.at_eof()
        for _ in range(10):
            assert _code(await _asked(port)) == 200
        for _, writer in deaf:
            writer.transport.abort()

    assert _served(act)["200"] == MOST_CONNECTIONS + 10


def test_connections_that_are_open_at_the_end_are_no_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clients = []

    async def act(port: int) -> None:
        for said in (b"", b"GET /long HTTP/1.1\r\n\r\n"):
            clients.append(socket.create_connection(("127.0.0.1", port)))
            clients[-1].sendall(said)
        assert _code(await _asked(port)) == 200

    _served(act)
    for client in clients:
        client.close()
    assert caplog.records == []


def test_a_client_that_goes_away_is_nobodys_trouble() -> None:
    async def act(port: int) -> None:
        for said in (b"", b"GET / HT", GET):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            await writer.drain()
            writer.transport.abort()
        assert _code(await _asked(port)) == 200

    assert _served(act)["200"] >= 1


def test_any_port_of_localhost_is_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    really = socket.getaddrinfo

    def two(host: str, *more: Any, **how: Any) -> list[Any]:
        hosts = ("127.0.0.1", "127.0.0.2") if host == "localhost" else (host,)
        return [found for one in hosts for found in really(one, *more, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", two)

    async def listen() -> list[str]:
        server = Server(_handle, Counter())
        port = await server.start("localhost", 0)
        assert server._server is not None
        bound = [one.getsockname()[0] for one in server._server.sockets]
        assert (await _asked(port)).endswith(b'{"path":"/any"}\n')
        server.close()
        return bound

    assert asyncio.run(listen()) == ["127.0.0.1"]


def test_a_head_request_gets_the_head_alone() -> None:
    async def act(port: int) -> None:
        heard = await _asked(port, b"HEAD / HTTP/1.1\r\n\r\n")
        assert heard.endswith(b"\r\n\r\n")
        assert b"Content-Length: 13" in heard

    _served(act)


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(_handle, Counter())
        with pytest.raises(
            BadConfig, match=f"monitor.address: 127.0.0.1:{port}: in use by another program"
        ):
            asyncio.run(server.start("127.0.0.1", port))
