"""A microscope that nobody answers: pushes or publishes START, FRAME and END, and hears nothing back.

For trying out a `[[sources]]` port, and a model for a foreign source: START is repeated for those who come late, END
for the case that it is lost. What is lost on the way is known to the daemon alone, which counts it. Everything runs in
the caller's thread, inside the calls below.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import zmq

from phenostream.daemon.client.connect import set_keys
from phenostream.daemon.client.errors import TimedOut, Unreachable
from phenostream.daemon.client.outgoing import frame_message, shot_message
from phenostream.daemon.client.rejection import HandshakeWatch
from phenostream.daemon.client.stream import ShotOrder, SourceFrame, taken_apart
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import Context, Socket, bounded
from phenostream.daemon.wire import ingest
from phenostream.daemon.wire.ingest import Encoding
from phenostream.engine.errors import BadConfig, BadInput

Way = Literal["push", "pub"]
_KINDS: Final = {"push": zmq.PUSH, "pub": zmq.XPUB}
_LINGER_MS: Final = 10_000
_SLICE_S: Final = 0.1
"""Between two looks at why no daemon takes anything."""


@dataclass(frozen=True, slots=True)
class BestEffortSettings:
    """How a source that is not answered sends.

    Attributes:
        way: ``push`` waits while the daemon has too much; ``pub`` goes on and loses frames.
        bind: Listen, and let the daemon connect.
        topic: Leads every message as a part of its own; None: none does.
        encoding: How `send` packs counts; ``blosc2`` needs the extra ``compression`` on both ends.
        single_shots: How `stream` sends every shot alone, see `client.stream.stream`; None: frames whole.
        high_water: Messages that may wait here for one daemon.
        reach_timeout_s: How long to wait for a daemon at the start, and for room with ``push``.
        start_every_s: START is repeated before a frame when so much time has passed.
        ends: How often END is said in all.
        end_pause_s: After each of them, so that the daemon has time to read before the connection closes.
        keys: Ours and the daemon's, for tcp.
    """

    way: Way = "push"
    bind: bool = False
    topic: str | None = None
    encoding: Encoding = "raw"
    single_shots: ShotOrder | None = None
    high_water: int = 8
    reach_timeout_s: float = 10.0
    start_every_s: float = 1.0
    ends: int = 3
    end_pause_s: float = 0.5
    keys: ClientKeys | None = None


class BestEffortSender:
    """Sends one run after the other. Use as a context manager, from one thread.

    Attributes:
        url: Where the daemon is, or where to listen; with the real port once entered.
    """

    def __init__(self, url: str, settings: BestEffortSettings | None = None) -> None:
        self.url = url
        self._settings = settings or BestEffortSettings()
        self._context: Context | None = None
        self._socket: Socket | None = None
        self._handshakes: HandshakeWatch | None = None
        self._start: ingest.Start | None = None
        self._said_s = 0.0
        self._end = 0

    def __enter__(self) -> "BestEffortSender":
        """Connect or listen.

        Raises:
            BadConfig: The address is not one, or is in use.
        """
        wanted = self._settings
        self._context = zmq.Context()
        self._socket = bounded(self._context.socket(_KINDS[wanted.way]), wanted.high_water)
        self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self._socket.setsockopt(
            zmq.IMMEDIATE, 1
        )  # nothing is queued for a daemon that is not there
        set_keys(self._socket, self.url, wanted.keys)
        if not wanted.bind:
            self._handshakes = HandshakeWatch(self._socket, self.url, wanted.keys)
        try:
            (self._socket.bind if wanted.bind else self._socket.connect)(self.url)
        except zmq.ZMQError as err:
            self.__exit__()
            why = zmq.strerror(err.errno or 0).lower()
            raise BadConfig(
                f"url: {self.url!r}: {why}; expected ipc://PATH or tcp://HOST:PORT"
            ) from err
        if wanted.bind:
            self.url = str(self._socket.getsockopt_string(zmq.LAST_ENDPOINT))
        return self

    def __exit__(self, *exc: object) -> None:
        """Close; what is queued has some seconds to leave."""
        if self._handshakes is not None:
            self._handshakes.close()
        if self._socket is not None:
            self._socket.close()
        if self._context is not None:
            self._context.term()
        self._socket = self._context = self._handshakes = None

    def reach(self) -> None:
        """Wait until a daemon is there.

        Raises:
            Unreachable: None came in time.
            Rejected: It does not take our connection.
        """
        wanted = self._settings
        event = (
            zmq.POLLIN if wanted.way == "pub" else zmq.POLLOUT
        )  # a subscription; a peer with room
        if not self._ready(event):
            raise Unreachable(f"{self.url}: no daemon within {wanted.reach_timeout_s:g} s")

    def start(self, start: ingest.Start) -> None:
        """Begin a run."""
        self._start, self._end = start, 0
        self._say(start)
        self._said_s = time.monotonic()

    def stream(
        self,
        start: ingest.Start,
        frames: Iterable[SourceFrame],
        rate_hz: float | None = None,
        on_frame: Callable[[], object] = lambda: None,
    ) -> int:
        """Send one whole run.

        Args:
            start: The run.
            frames: Pulled one at a time, when the one before was sent.
            rate_hz: Frames a second on a fixed schedule; None sends at once, and with ``pub`` most may be lost.
            on_frame: Called after every frame.

        Returns:
            What END said.
        """
        self.start(start)
        began_s, order = time.monotonic(), self._settings.single_shots
        per_frame = 1 if order is None else len(start.shots)
        for number, send in enumerate(self._handovers(start, frames, order)):
            if rate_hz is not None:
                due_s = began_s + number / (rate_hz * per_frame)
                time.sleep(max(0.0, due_s - time.monotonic()))
            send()
            if (number + 1) % per_frame == 0:
                on_frame()
        return self.finish(start.n_expected or 0)

    def _handovers(
        self, start: ingest.Start, frames: Iterable[SourceFrame], order: ShotOrder | None
    ) -> Iterator[Callable[[], None]]:
        if order is None:
            for frame in frames:
                yield partial(self.send, frame)
            return
        for frame, shot, counts in taken_apart(start, frames, order):
            named, encoding = (frame.frame_seq, shot), self._settings.encoding
            message = shot_message(start, named, counts, frame.facts, encoding)
            yield partial(self.send_frame, *message)

    def send(self, frame: SourceFrame) -> None:
        """Send one frame; any number may be left out, repeated or swapped.

        Raises:
            TimedOut: With ``push``: no room within `reach_timeout_s`.
            Rejected: The daemon does not take our connection (any more).
            BadFrame: Shape, dtype or length is not what START announced.
        """
        start, encoding = self._begun(), self._settings.encoding
        self.send_frame(*frame_message(start, frame.frame_seq, frame.data, frame.facts, encoding))

    def send_frame(self, header: ingest.FrameHeader | ingest.ShotHeader, data: Any) -> None:
        """Send one frame or shot under a header of the caller's making; else as `send`."""
        if time.monotonic() - self._said_s >= self._settings.start_every_s:
            self._say(self._begun())
            self._said_s = time.monotonic()
        self._end = max(self._end, header.frame_seq + 1)
        self._say(header, data)

    def finish(self, n_frames: int = 0) -> int:
        """Say END, several times; the daemon reads meanwhile.

        Args:
            n_frames: Frames the run should have had; the highest frame_seq + 1 where that is more.

        Returns:
            What END said.
        """
        end = ingest.End(run=self._begun().run, n_frames=max(n_frames, self._end))
        for _ in range(self._settings.ends):
            self._say(end)
            time.sleep(self._settings.end_pause_s)
        self._start = None
        return end.n_frames

    def _begun(self) -> ingest.Start:
        if self._start is None:
            raise BadInput("best-effort sender: no run is open; call start() first")
        return self._start

    def _open(self) -> Socket:
        if self._socket is None:
            raise BadInput("best-effort sender: use it inside `with`")
        return self._socket

    def _ready(self, event: int) -> bool:
        """Wait for a daemon, or for its room; False when there was none in time."""
        deadline, socket = time.monotonic() + self._settings.reach_timeout_s, self._open()
        while (left := deadline - time.monotonic()) > 0:
            if self._handshakes is not None:
                self._handshakes.check()
            if socket.poll(int(1000 * min(left, _SLICE_S)) + 1, event):
                return True
        return False

    def _say(self, message: ingest.FromSource, *data: Any) -> None:
        lead = [] if self._settings.topic is None else [self._settings.topic.encode()]
        parts = [*lead, ingest.encode(message), *data]
        while True:
            try:
                self._open().send_multipart(parts, zmq.NOBLOCK, copy=False)
            except zmq.Again as err:
                if not self._ready(zmq.POLLOUT):
                    waited = self._settings.reach_timeout_s
                    raise TimedOut(f"{self.url}: the daemon took nothing for {waited:g} s") from err
            else:
                return
