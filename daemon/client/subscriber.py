"""The Python SDK for results: every record once and in order, also those that were published while you were away.

Subscribes first, then asks the journal for what is missing, then follows live; the rules are in `follower`. What a run
is (camera, pixel size, simulated or not) is told before its first result, also to who comes late: `starts`. Everything
runs in the caller's thread, inside the iteration; the sockets are made, used and closed there.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final, Literal, Self

import zmq

from phenostream.daemon.client.connect import connect
from phenostream.daemon.client.control import Batch, Control
from phenostream.daemon.client.errors import Refusal, TimedOut, Unreachable
from phenostream.daemon.client.follower import Follower
from phenostream.daemon.client.open_runs import OpenRuns
from phenostream.daemon.client.readable import readable
from phenostream.daemon.client.records import Record
from phenostream.daemon.client.rejection import HandshakeWatch
from phenostream.daemon.client.starts import Starts
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import Context, Socket, bounded
from phenostream.daemon.wire.codec import MAX_RESULT_BYTES
from phenostream.daemon.wire.results import TOPICS, WELCOME_TOPIC
from phenostream.engine.errors import BadConfig, BadInput

__all__ = ["Record", "Subscriber"]

_SLICE_S: Final = 0.25
_ASK_AGAIN_S: Final = 1.0
"""For the welcome: so long after the last time."""
_SUBSCRIPTIONS: Final = 0
"""No bound on what a SUB sends: only its own subscriptions, and libzmq silently drops those beyond the bound."""
_QUEUED: Final = 1000
"""Messages that may wait here: about 64 MiB at 64 KiB a result; more are lost, seen as a gap, and repaired."""

_Question = int | Literal["runs"]
"""Records from an offset on, or the open runs."""
_Answer = Batch | list[dict[str, Any]] | None
"""None: the daemon is away."""


class Subscriber:
    """Follows the results of one daemon; a context manager, iterable with `for` or `async for`.

    Args:
        results_url: The daemon's results endpoint.
        control_url: Its control endpoint: gaps are then repaired from the journal.
        since: First offset wanted; needs `control_url`. None begins with what is published from now on.
        connect_timeout_s: How long to wait for the daemon's word that the subscription stands.
        silence_timeout_s: Longest silence (a living daemon speaks every second); None waits for ever, also across a
            restart of the daemon.
        keys: Ours and the daemon's, for a daemon on tcp.

    Attributes:
        on_run: Called once for every run, before anything of it is delivered, with its START as a status record:
            its ``run_started``, or ``run_open`` where it began before this stream did (that needs `control_url`, and
            that it has not ended when its first record is to be delivered: of ended runs the journal alone tells).

    Raises:
        BadConfig: `since` is negative, or there is no control endpoint to read the journal from.
    """

    def __init__(
        self,
        results_url: str,
        control_url: str | None = None,
        since: int | None = None,
        *,
        connect_timeout_s: float = 10.0,
        silence_timeout_s: float | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        if since is not None and (since < 0 or control_url is None):
            raise BadConfig(f"since: {since}, allowed 0 or more, with the control endpoint given")
        self.results_url = results_url
        self.control_url = control_url
        self._connect_timeout_s = connect_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._keys = keys
        self.on_run: Callable[[Record], None] = lambda start: None
        self._follower = Follower(results_url, since, control_url is not None)
        self._starts = Starts()
        self._answered = self._subscribed = False
        self._heard_s = self._asked_s = 0.0
        self._resources = ExitStack()
        self._socket: Socket | None = None
        self._control: Control | None = None
        self._handshakes: HandshakeWatch | None = None

    @property
    def on_gap(self) -> Callable[[int, int], None]:
        """Called with (first, last) offset of records that can no longer be had; unset, a warning is logged."""
        return self._follower.on_gap

    @on_gap.setter
    def on_gap(self, call: Callable[[int, int], None]) -> None:
        self._follower.on_gap = call

    @property
    def on_missed(self) -> Callable[[str, int], None]:
        """Called with (run, n) when n results of a run are known not to have come; unset, a warning is logged."""
        return self._follower.on_missed

    @on_missed.setter
    def on_missed(self, call: Callable[[str, int], None]) -> None:
        self._follower.on_missed = call

    def __enter__(self) -> Self:
        """Connect and subscribe; `wait_subscribed` tells when that has taken effect."""
        with ExitStack() as stack:
            context: Context = zmq.Context()
            stack.callback(context.term)
            socket = bounded(context.socket(zmq.SUB), _SUBSCRIPTIONS, MAX_RESULT_BYTES)
            stack.callback(socket.close, 0)
            socket.setsockopt(zmq.RCVHWM, _QUEUED)
            for topic in TOPICS:
                socket.subscribe(topic)
            socket.subscribe(WELCOME_TOPIC)  # last: its answer proves that the others hold
            self._handshakes = HandshakeWatch(socket, self.results_url, self._keys)
            stack.callback(self._handshakes.close)
            connect(socket, self.results_url, self._keys)
            if self.control_url is not None:
                self._control = stack.enter_context(Control(self.control_url, keys=self._keys))
            self._socket, self._asked_s = socket, time.monotonic()
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self._socket = self._control = self._handshakes = None
        self._resources.close()

    def wait_subscribed(self) -> None:
        """Return when nothing published from now on can be missed.

        Raises:
            Unreachable: No daemon said so within `connect_timeout_s`.
            Rejected: The daemon does not take our connection.
        """
        deadline, socket = time.monotonic() + self._connect_timeout_s, self._open()
        while not self._subscribed:
            self._check_connecting(socket, deadline)
            if socket.poll(int(1000 * _SLICE_S)):
                self._receive(socket)

    def __iter__(self) -> Iterator[Record]:
        """Records in order of their offsets, each once, for ever.

        After an exception a new iteration goes on behind the record that caused it.

        Raises:
            Rejected: The daemon does not take our connection (any more).
            Unreachable: No daemon is there, or its control endpoint never answered.
            TimedOut: Silence for `silence_timeout_s`.
            JournalReplaced: The daemon came back with a journal that is not the one followed so far.
            BadMessage: A record that breaks the contract.
        """
        return (record for record in self.events() if record is not None)

    def events(self) -> Iterator[Record | None]:
        """As `__iter__`, with None whenever all that was heard of is delivered: at least four times a second.

        For whoever has a second reason to stop, which a stream that fell silent would never give. While the daemon is
        away and something is missing, None comes each time that the question for it was not answered.
        """
        self.wait_subscribed()
        socket = self._open()
        self._heard_s = time.monotonic()
        while True:
            while (question := self._question()) is not None:
                if not self._learn(self._ask(question)):
                    yield None
            if self._follower.ready:
                yield self._delivered()
                continue
            yield None
            if socket.poll(int(1000 * _SLICE_S)):
                self._receive(socket)
            else:
                self._check_silence()

    async def __aiter__(self) -> AsyncIterator[Record]:
        """As `__iter__`, without blocking the event loop."""
        deadline, socket = time.monotonic() + self._connect_timeout_s, self._open()
        while not self._subscribed:
            self._check_connecting(socket, deadline)
            if await readable(socket, _SLICE_S):
                self._receive(socket)
        self._heard_s = time.monotonic()
        while True:
            while (question := self._question()) is not None:
                self._learn(await self._ask_async(question))
            if self._follower.ready:
                yield self._delivered()
            elif await readable(socket, _SLICE_S):
                self._receive(socket)
            else:
                self._check_silence()

    def until_end(self) -> Iterator[Record]:
        """Records until a run has ended, no run that was seen is still open, and the journal is caught up with."""
        runs = OpenRuns()
        for record in self.events():
            if record is not None:
                runs.take(record)
                yield record
            elif runs.all_ended:
                return

    @property
    def silent_s(self) -> float:
        """Time since the daemon was last heard of; a living one speaks every second."""
        return time.monotonic() - self._heard_s

    def _question(self) -> _Question | None:
        """What must be known before the next record can be delivered, or the next message be waited for."""
        if self._control is None:
            return None
        ready = self._follower.ready
        if self._follower.begin is not None and not self._starts.introduced:
            return "runs"
        if ready:
            return "runs" if self._starts.lacks(ready[0]) else None
        return self._follower.wanted

    def _ask(self, question: _Question) -> _Answer:
        control = self._control
        if control is None:
            return None
        try:
            return control.runs() if question == "runs" else control.get(question)
        except (Refusal, Unreachable) as err:
            return self._unanswered(question, err)

    async def _ask_async(self, question: _Question) -> _Answer:
        control = self._control
        if control is None:
            return None
        try:
            if question == "runs":
                return await control.runs_async()
            return await control.get_async(question)
        except (Refusal, Unreachable) as err:
            return self._unanswered(question, err)

    def _unanswered(self, question: _Question, err: Refusal | Unreachable) -> _Answer:
        """A daemon that answered before is waited for as long as for its results; an older one knows no runs."""
        if isinstance(err, Refusal) and question == "runs":
            return []
        if isinstance(err, Refusal) or not self._answered:
            raise err
        self._check_silence()
        return None

    def _learn(self, answer: _Answer) -> bool:
        """Take an answer in; False if there was none."""
        if answer is None:
            return False
        self._answered, self._heard_s = True, time.monotonic()
        if isinstance(answer, Batch):
            self._follower.absorb(answer)
            return True
        ready = self._follower.ready
        for start in self._starts.absorb(answer, self._follower.begin, ready[0] if ready else None):
            self.on_run(start)
        return True

    def _delivered(self) -> Record:
        record = self._follower.ready.popleft()
        if (start := self._starts.take(record)) is not None:
            self.on_run(start)
        return record

    def _receive(self, socket: Socket) -> None:
        parts = socket.recv_multipart()
        self._heard_s = time.monotonic()
        self._subscribed = self._subscribed or parts == [WELCOME_TOPIC]
        self._follower.take(parts)

    def _open(self) -> Socket:
        if self._socket is None:
            raise BadInput("subscriber: use it inside `with`")
        return self._socket

    def _check_connecting(self, socket: Socket, deadline: float) -> None:
        """The welcome may be lost like any live copy: ask for it again."""
        self._watch_handshakes()
        now_s = time.monotonic()
        if now_s >= deadline:
            raise Unreachable(
                f"{self.results_url}: no daemon publishes there ({self._connect_timeout_s:g} s)"
            )
        if now_s - self._asked_s > _ASK_AGAIN_S:
            self._asked_s = now_s
            socket.unsubscribe(WELCOME_TOPIC)
            socket.subscribe(WELCOME_TOPIC)

    def _watch_handshakes(self) -> None:
        if self._handshakes is not None:
            self._handshakes.check()

    def _check_silence(self) -> None:
        self._watch_handshakes()
        limit_s = self._silence_timeout_s
        if limit_s is not None and self.silent_s > limit_s:
            raise TimedOut(f"{self.results_url}: silent for {limit_s:g} s")
