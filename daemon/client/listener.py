"""Hears one topic of a daemon as it is published, and nothing else of it: what nobody here reads is not sent here.

What is published while nobody listens is lost here, and not asked for later: for who can do without.
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
from phenostream.daemon.wire.codec import MAX_RESULT_BYTES, unpack_meta
from phenostream.daemon.wire.results import WELCOME_TOPIC, Topic, decode_offset
from phenostream.engine.errors import BadConfig, BadMessage

_MOST_BYTES: Final[dict[Topic, int]] = {"summary": 1 << 20}
"""Of one record, where that is less than of any."""
_SUBSCRIPTIONS: Final = 0
"""No bound: see `Subscriber`."""
_QUEUED: Final = 256
"""Records that may wait here; of more, the newest are lost."""
_AT_ONCE: Final = 256
"""Records of one call: whoever listens has other things to do too."""
_ASK_AGAIN_S: Final = 1.0


class Listener:
    """A SUB socket; a context manager, made, used and closed in one thread.

    Attributes:
        subscribed: The daemon has said that nothing published from now on can be missed.
    """

    def __init__(self, url: str, topic: Topic, keys: ClientKeys | None = None) -> None:
        """Connect; the daemon may come later, and go and come back.

        Args:
            url: The daemon's results endpoint.
            topic: What is heard.
            keys: Ours and the daemon's, for a daemon on tcp.

        Raises:
            BadConfig: The address is not one.
        """
        self.subscribed = False
        self._context: Context = zmq.Context()
        self._topic = topic.encode()
        most_bytes = _MOST_BYTES.get(topic, MAX_RESULT_BYTES)
        self.socket = bounded(self._context.socket(zmq.SUB), _SUBSCRIPTIONS, most_bytes)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, _QUEUED)
        self.socket.subscribe(self._topic)
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
        """The records that are there: offset and what each says, but for a result's columns; bad ones are passed over.

        Args:
            wait_s: How long to wait for the first.

        Raises:
            Rejected: The daemon does not take our connection.
        """
        self._handshakes.check()
        if not self.subscribed:
            self._ask_again()
        timeout_ms = round(1000 * wait_s)
        for _ in range(_AT_ONCE):
            if not self.socket.poll(timeout_ms):
                return
            timeout_ms = 0
            parts = self.socket.recv_multipart()
            if parts == [WELCOME_TOPIC]:
                self.subscribed = True
            elif len(parts) == 3 and parts[0] == self._topic:
                try:
                    yield decode_offset(parts[1]), unpack_meta(parts[2])
                except BadMessage:
                    continue

    def _ask_again(self) -> None:
        """The welcome may be lost like anything published."""
        now_s = time.monotonic()
        if now_s - self._asked_s > _ASK_AGAIN_S:
            self._asked_s = now_s
            self.socket.unsubscribe(WELCOME_TOPIC)
            self.socket.subscribe(WELCOME_TOPIC)
