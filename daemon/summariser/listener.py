"""Hears the summaries of a daemon as they are published, and nothing else of it: no result is sent to who words them.

What is published while nobody listens is not asked for later: those summaries have the template's words.
"""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

import zmq

from phenostream.daemon.client.connect import connect
from phenostream.daemon.client.rejection import HandshakeWatch
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import Context, bounded
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.results import WELCOME_TOPIC, decode_offset
from phenostream.engine.errors import BadConfig, BadMessage

_TOPIC: Final = b"summary"
_MOST_BYTES: Final = 1 << 20
_SUBSCRIPTIONS: Final = 0
"""No bound: see `Subscriber`."""
_QUEUED: Final = 256
"""Summaries that may wait while a text is worded."""
_ASK_AGAIN_S: Final = 1.0


class Listener:
    """A SUB socket; a context manager, made, used and closed in one thread.

    Attributes:
        subscribed: The daemon has said that nothing published from now on can be missed.
    """

    def __init__(self, url: str, keys: ClientKeys | None = None) -> None:
        """Connect; the daemon may come later, and go and come back.

        Raises:
            BadConfig: The address is not one.
        """
        self.subscribed = False
        self._context: Context = zmq.Context()
        self.socket = bounded(self._context.socket(zmq.SUB), _SUBSCRIPTIONS, _MOST_BYTES)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, _QUEUED)
        self.socket.subscribe(_TOPIC)
        self.socket.subscribe(WELCOME_TOPIC)  # last: its answer proves that the other holds
        self._asked_s = time.monotonic()
        self._handshakes = HandshakeWatch(self.socket, url, keys)
        try:
            connect(self.socket, url, keys)
        except BadConfig:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close; calling it twice is harmless."""
        self._handshakes.close()
        self.socket.close(0)
        self._context.term()

    def heard(self, wait_s: float) -> Iterator[tuple[int, dict[str, Any]]]:
        """The summaries that are there: offset and record; those that are none of this version are passed over.

        Args:
            wait_s: How long to wait for the first.

        Raises:
            Rejected: The daemon does not take our connection.
        """
        self._handshakes.check()
        if not self.subscribed:
            self._ask_again()
        timeout_ms = round(1000 * wait_s)
        while self.socket.poll(timeout_ms):
            timeout_ms = 0
            parts = self.socket.recv_multipart()
            if parts == [WELCOME_TOPIC]:
                self.subscribed = True
            elif len(parts) == 3 and parts[0] == _TOPIC:
                try:
                    yield decode_offset(parts[1]), unpack_result(parts[2])
                except BadMessage:
                    continue

    def _ask_again(self) -> None:
        """The welcome may be lost like anything published."""
        now_s = time.monotonic()
        if now_s - self._asked_s > _ASK_AGAIN_S:
            self._asked_s = now_s
            self.socket.unsubscribe(WELCOME_TOPIC)
            self.socket.subscribe(WELCOME_TOPIC)
