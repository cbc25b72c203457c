"""An HTTP server that stays up: every wait has an end, every length a bound, and a newcomer is never kept out.

One event loop. Where `MOST_CONNECTIONS` are open, the one whose client has let us wait for longest, for a whole request
or for taking its answer, gives way to the next, so that those who say nothing or read nothing hold up only each other.
"""

import asyncio
import errno
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

from phenostream.daemon.monitor.http import (
    MOST_HEAD_BYTES,
    Request,
    Response,
    Unfit,
    parsed,
)
from phenostream.engine.errors import BadConfig

logger = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 32
HEAD_S: Final = 5.0
"""For the whole head of a request, from the moment its connection is accepted."""
ANSWER_S: Final = 10.0
"""For making an answer, and again for a client to read it."""
_BACKLOG: Final = 64
_HEARD_OUT_S: Final = 1.0
_HEARD_OUT_BYTES: Final = 1 << 20
"""What a client may go on saying while it is told why not: cut off, it might never hear that."""
LOOPBACK_NAMES: Final = ("", "localhost", "127.0.0.1", "::1")
"""Whom a request may mean that is for this box alone; some clients do not say."""
_ANY_LOCAL: Final = "127.0.0.1"
_HEAD_END: Final = b"\r\n\r\n"

Handle = Callable[[Request], Awaitable[Response]]


class Server:
    """Answers one request a connection."""

    def __init__(
        self,
        handle: Handle,
        counts: Counter[str],
        hosts: Collection[str] | None = None,
        head_s: float = HEAD_S,
    ) -> None:
        """Listen to nobody yet.

        Args:
            handle: Makes the answers.
            counts: Where they are counted, by status code; ``given_up``: connections that never asked anything whole,
                or did not take their answer.
            hosts: Whom a request may mean, in lower case; None: anybody. A server for one box says so: then no web page
                that a browser shows there can read it under a name of its own.
            head_s: See `HEAD_S`.
        """
        self._handle, self._counts = handle, counts
        self._hosts, self._head_s = hosts, head_s
        self._waiting: dict[asyncio.StreamWriter, None] = {}
        self._open = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port.

        Args:
            host: An IP address, or ``localhost``: each of its addresses.
            port: 0: any that is free; of ``localhost`` at 127.0.0.1 alone, as its addresses would get one each.

        Raises:
            BadConfig: It cannot.
        """
        bound = _ANY_LOCAL if host == "localhost" and port == 0 else host
        try:
            self._server = await asyncio.start_server(
                self._serve, bound, port, limit=MOST_HEAD_BYTES, backlog=_BACKLOG
            )
        except OSError as err:
            number = err.errno or 0
            why = "in use by another program" if number == errno.EADDRINUSE else os.strerror(number)
            raise BadConfig(f"monitor.address: {host}:{port}: {why}") from err
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        self._open += 1
        self._waiting[writer] = None
        if self._open > MOST_CONNECTIONS:
            self._make_room()
        writer.transport.set_write_buffer_limits(high=0)  # `drain` returns when all has left
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):  # TimeoutError is one of the former
            self._counts["given_up"] += 1
            writer.transport.abort()
        except asyncio.CancelledError:  # the loop ends; asyncio would log that as a fault of ours
            writer.transport.abort()
        finally:
            self._waiting.pop(writer, None)
            self._open -= 1
            writer.close()

    def _make_room(self) -> None:
        """Have the connection that waits for its client for longest give way; it may be the newest."""
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        oldest.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = None
        try:
            request = await self._asked(reader)
            self._waiting.pop(writer, None)
            response = await self._made(request)
        except Unfit as err:
            response = Response.of_error(err.code, str(err))
        self._counts[str(response.code)] += 1
        self._waiting.setdefault(writer)
        writer.write(
            response.as_bytes(without_body=request is not None and request.method == "HEAD")
        )
        async with asyncio.timeout(ANSWER_S):
            await writer.drain()
        if request is None:
            await _heard_out(reader, writer)

    async def _asked(self, reader: asyncio.StreamReader) -> Request:
        """The request; raises `Unfit` where none comes that can be answered."""
        try:
            async with asyncio.timeout(self._head_s):
                return parsed(await reader.readuntil(_HEAD_END))
        except TimeoutError as err:
            raise Unfit(408, f"no whole request within {self._head_s:g} s") from err
        except asyncio.LimitOverrunError as err:
            raise Unfit(
                431, f"allowed {MOST_HEAD_BYTES} bytes of request line and headers"
            ) from err

    async def _made(self, request: Request) -> Response:
        """The answer; raises `Unfit` where there is none."""
        if self._hosts is not None and request.host.lower() not in self._hosts:
            raise Unfit(421, f"allowed Host: {' or '.join(filter(None, self._hosts))}")
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._handle(request)
        except TimeoutError as err:
            raise Unfit(503, f"no answer within {ANSWER_S:g} s") from err
        except Unfit:
            raise
        except Exception as err:  # costs one answer, and never the server
            logger.exception("%s %s could not be answered", request.method, request.path)
            raise Unfit(500, f"it could not be answered ({type(err).__name__})") from err


async def _heard_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let a client finish that says more than it may; its connection is closed when it has, or after a second."""
    writer.write_eof()
    heard = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEARD_OUT_S):
            while heard < _HEARD_OUT_BYTES and (piece := await reader.read(MOST_HEAD_BYTES)):
                heard += len(piece)
