"""HELLO → WELCOME → START → STARTED on a fresh connection, again and again until a daemon answers or time is up."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from phenostream.daemon.client.errors import Cancelled, Refusal, TimedOut, Unreachable
from phenostream.daemon.client.link import Link, LinkLost
from phenostream.daemon.client.rejection import Rejection
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import Context
from phenostream.daemon.wire import ingest
from phenostream.engine.errors import BadMessage

SLICE_S: Final = 0.05
"""How often a waiting call looks at the cancel event."""
_ATTEMPT_S: Final = 2.0
"""How long one connection may take to answer before it is tried anew."""
_PAUSE_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Pauses between attempts; the last one repeats."""
_TRY_AGAIN: Final = ("draining:", "busy:")
_Answer = TypeVar("_Answer")
_Reply = TypeVar("_Reply", ingest.Welcome, ingest.Started)


class Opened(NamedTuple):
    """A connection on which a run is open."""

    link: Link
    welcome: ingest.Welcome
    started: ingest.Started


class _TryLater(Exception):
    """The daemon refuses for now."""


@dataclass(frozen=True, slots=True)
class Dialler:
    """How to reach the daemon, with which keys, and the encoding it has to read."""

    context: Context
    url: str
    cancel: threading.Event | None = None
    keys: ClientKeys | None = None
    encoding: ingest.Encoding = "raw"

    def dial(self, start: ingest.Start, timeout_s: float) -> Opened:
        """Connect and open (or go on with) a run; the caller closes the link.

        Raises:
            Unreachable: No daemon answered within `timeout_s`; the text says what the last attempt met.
            Rejected: The daemon does not take our connection.
            Refusal: The daemon does not take this run.
            Cancelled: The cancel event was set.
        """
        return self._until_answered(
            lambda link, deadline: self._handshake(link, start, deadline), timeout_s
        )

    def probe(self, instrument: str, timeout_s: float) -> ingest.Welcome:
        """Whether a daemon answers a HELLO: its WELCOME, on a connection that is closed again; raises as `dial`."""

        def greet(link: Link, deadline: float) -> ingest.Welcome:
            link.send([ingest.encode(ingest.Hello(instrument=instrument))])
            welcome = self._await_welcome(link, deadline)
            link.close()
            return welcome

        return self._until_answered(greet, timeout_s)

    def _until_answered(self, ask: Callable[[Link, float], _Answer], timeout_s: float) -> _Answer:
        """Ask on fresh connections, each with its own deadline, until one answers; the link is then the asker's."""
        deadline, attempt = time.monotonic() + timeout_s, 0
        rejection = Rejection(self.url, self.keys)
        while True:
            link = Link(self.context, self.url, self.keys)
            try:
                answer = ask(link, min(deadline, time.monotonic() + _ATTEMPT_S))
            except (LinkLost, TimedOut, _TryLater) as err:
                link.close()
                why: Exception = err
                if isinstance(err, LinkLost):
                    rejection.check(err.event)
            except BaseException:
                link.close()
                raise
            else:
                return answer
            pause = _PAUSE_S[min(attempt, len(_PAUSE_S) - 1)]
            attempt += 1
            if time.monotonic() + pause >= deadline:
                if isinstance(why, _TryLater):
                    raise Refusal(f"{self.url}: {why}")
                raise Unreachable(f"{self.url}: no daemon within {timeout_s:g} s ({why})")
            self._pause(pause)

    def _handshake(self, link: Link, start: ingest.Start, deadline: float) -> Opened:
        link.send([ingest.encode(ingest.Hello(instrument=start.instrument, run=start.run))])
        welcome = self._await_welcome(link, deadline)
        if start.frame_bytes > welcome.max_message_bytes:
            raise Refusal(
                f"{self.url}: frames of {start.frame_bytes} bytes, "
                f"the daemon takes at most {welcome.max_message_bytes}"
            )
        link.send([ingest.encode(start)])
        return Opened(link, welcome, self._await(link, ingest.Started, deadline))

    def _await_welcome(self, link: Link, deadline: float) -> ingest.Welcome:
        welcome = self._await(link, ingest.Welcome, deadline)
        if self.encoding not in welcome.encodings:
            takes = ", ".join(welcome.encodings)
            raise Refusal(f"{self.url}: encoding {self.encoding}, the daemon takes {takes}")
        return welcome

    def _await(self, link: Link, kind: type[_Reply], deadline: float) -> _Reply:
        while True:
            if self.cancel is not None and self.cancel.is_set():
                raise Cancelled("cancelled while connecting")
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimedOut(f"no {kind.__name__.upper()}")
            parts = link.receive(min(SLICE_S, remaining))
            if parts is None:
                continue
            message = decoded(parts)
            if isinstance(message, ingest.Refused):
                if message.reason.startswith(_TRY_AGAIN):
                    raise _TryLater(message.reason)
                raise Refusal(f"{self.url}: {message.reason}")
            if isinstance(message, kind):
                return message

    def _pause(self, seconds: float) -> None:
        if self.cancel is None:
            time.sleep(seconds)
        elif self.cancel.wait(seconds):
            raise Cancelled("cancelled while connecting")


def decoded(parts: list[bytes]) -> ingest.FromDaemon:
    """A message of the daemon.

    Raises:
        BadMessage: Not one part, or not of the schema.
    """
    if len(parts) != 1:
        raise BadMessage(f"message of {len(parts)} parts from the daemon, expected 1")
    return ingest.decode_from_daemon(parts[0])
