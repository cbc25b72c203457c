"""The microscope's side of `lossless`: frames go out under credit and are kept until their fate is on disk.

A daemon that dies is noticed (closed connection, or silence on the heartbeat), reconnected to, told the same HELLO and
START, and sent again, in order, every frame it has not acknowledged; it discards those it already knows. Knows nothing
of cameras. Everything runs in the caller's thread, inside the calls below: no thread of its own, no lock.
"""

import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Final

import zmq

from phenostream.daemon.client.dialler import SLICE_S, Dialler, Opened, decoded
from phenostream.daemon.client.errors import Cancelled, Incomplete, Refusal, TimedOut, Unreachable
from phenostream.daemon.client.in_flight import InFlight, Outgoing
from phenostream.daemon.client.link import LinkLost
from phenostream.daemon.client.outgoing import Facts, FrameData, frame_message, shot_message
from phenostream.daemon.client.sender_options import SenderCounts, SenderSettings, SenderState
from phenostream.daemon.socket_options import Context
from phenostream.daemon.wire import ingest
from phenostream.engine.errors import BadFrame, BadInput

FATES: Final = ("published", "dropped", "quarantined", "failed")
_REDO: Final = "hello first:"
"""The refusal after which the handshake is made again and the frames are sent again."""


class Sender:
    """Streams one run at a time to a daemon; losing nothing is its one promise.

    Use as a context manager, from one thread. `on_ack`, `on_refused` and `on_state` may be set to callables; they run
    in the caller's thread. Without `on_refused` a refused frame raises `Refusal`.

    Args:
        url: The daemon's ingest endpoint.
        instrument: Name of this microscope.
        settings: Patience and options.
        cancel: When set by any thread, a waiting call raises `Cancelled` within 50 ms.
    """

    def __init__(
        self,
        url: str,
        instrument: str,
        settings: SenderSettings | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self.url = url
        self.instrument = instrument
        self.settings = settings or SenderSettings()
        self.state = SenderState.CLOSED
        self.on_ack: Callable[[ingest.Ack], None] | None = None
        self.on_refused: Callable[[ingest.Refused], None] | None = None
        self.on_state: Callable[[SenderState], None] | None = None
        self._cancel = cancel
        self._dialler: Dialler | None = None
        self._open: Opened | None = None
        self._in_flight = InFlight()
        self._tally: Counter[str] = Counter()
        self._start: ingest.Start | None = None
        self._end: ingest.End | None = None
        self._end_sent = False
        self._report: ingest.Report | None = None
        self._progress_s = 0.0

    def __enter__(self) -> "Sender":
        """Prepare; the connection is made by `start`."""
        context: Context = zmq.Context()
        told = self.settings
        self._dialler = Dialler(context, self.url, self._cancel, told.keys, told.encoding)
        return self

    def __exit__(self, *exc: object) -> None:
        """Close at once. Frames without a fate are not waited for: that is `finish`."""
        self._hang_up()
        self._become(SenderState.CLOSED)
        if self._dialler is not None:
            self._dialler.context.term()
            self._dialler = None

    @property
    def counts(self) -> SenderCounts:
        """What became of this run's frames so far."""
        return SenderCounts(
            **self._tally, unacked=len(self._in_flight), unacked_bytes=self._in_flight.sent_bytes
        )

    def probe(self) -> ingest.Welcome:
        """Wait until a daemon answers a HELLO; opens no run.

        Raises:
            Unreachable: No daemon answered within `connect_timeout_s`.
        """
        if self._dialler is None:
            raise BadInput("sender: use it inside `with`")
        return self._dialler.probe(self.instrument, self.settings.connect_timeout_s)

    def start(self, start: ingest.Start) -> ingest.Started:
        """Open a run, connecting first; `last_acked` says where an interrupted run goes on.

        Raises:
            Unreachable: No daemon answered within `connect_timeout_s`.
            Refusal: The daemon does not take this run.
            BadInput: A run is open already, or it is of another instrument.
        """
        if self._start is not None and self._report is None:
            raise BadInput(f"run {start.run}: run {self._start.run} is still open; finish it first")
        if start.instrument != self.instrument:
            raise BadInput(f"instrument: {start.instrument}, this sender is {self.instrument}")
        if self._dialler is None:
            raise BadInput("sender: use it inside `with`")
        self._hang_up()
        self._start = None
        self._become(SenderState.CONNECTING)
        self._open = self._dialler.dial(start, self.settings.connect_timeout_s)
        started = self._open.started
        self._start, self._end, self._report = start, None, None
        self._tally.clear()
        self._in_flight = InFlight(
            self._open.welcome.credit_bytes,
            floor=0 if started.last_acked is None else started.last_acked + 1,
            shots=len(start.shots),
        )
        self._become(SenderState.STREAMING)
        return started

    def send(
        self,
        frame_seq: int,
        data: FrameData,
        *,
        stage_um: tuple[float, float, float] | None = None,
        exposure_ms: float | None = None,
        source_utc_ns: int | None = None,
    ) -> None:
        """Hand over one frame, waiting for credit; on return it is queued and kept until its ACK.

        Args:
            frame_seq: Number in the run, from 0, each once.
            data: (shots, H, W) counts as START announced, or their bytes in C order. Kept by reference, not copied:
                leave it unchanged until its ACK; unless it is sent compressed.
            stage_um: Stage x, y, z.
            exposure_ms: Per shot.
            source_utc_ns: When it was taken; None takes the clock now.

        Raises:
            BadFrame: Shape, dtype or length is not what START announced, or the number was used before.
            TimedOut: No credit within `send_timeout_s`; the frame was not taken, and may be sent again.
            Unreachable: The daemon was lost and did not come back; unacknowledged frames are named.
            Cancelled: The cancel event was set.
            Refusal: An earlier frame was refused.
            MissingPackage: The encoding's library is not installed.
        """
        start, facts = self._open_run(), Facts(stage_um, exposure_ms, source_utc_ns)
        self.send_frame(*frame_message(start, frame_seq, data, facts, self.settings.encoding))

    def send_shot(
        self,
        frame_seq: int,
        illumination: ingest.Shot,
        data: FrameData,
        *,
        stage_um: tuple[float, float, float] | None = None,
        exposure_ms: float | None = None,
        source_utc_ns: int | None = None,
    ) -> None:
        """Hand over one shot, (H, W) counts; those of a frame in any order, between those of others. Else as `send`.

        Only the first shot of a frame waits for credit, and not while another frame lacks shots: it is queued then, and
        goes out when the credit allows. A shot of a frame that has its fate meanwhile (the daemon waited long enough)
        is not sent.
        """
        start, facts = self._open_run(), Facts(stage_um, exposure_ms, source_utc_ns)
        named = (frame_seq, illumination)
        self.send_frame(*shot_message(start, named, data, facts, self.settings.encoding))

    def send_frame(
        self, header: ingest.FrameHeader | ingest.ShotHeader, data: bytes | memoryview
    ) -> None:
        """Hand over a frame or shot under a header of the caller's making, not held against START; else as `send`."""
        start, view, shot = self._open_run(), memoryview(data).cast("B"), None
        claim = len(view)
        if isinstance(header, ingest.ShotHeader):
            claim, shot = max(claim, start.frame_bytes), header.illumination
        if not self._in_flight.is_new(header.frame_seq, shot):
            which = (
                f"frame_seq: {header.frame_seq}"
                if shot is None
                else f"{shot} of frame {header.frame_seq}"
            )
            raise BadFrame(f"{which} was sent before in run {header.run}")
        if self.settings.crc and header.crc32 is None:
            header = header.model_copy(update={"crc32": zlib.crc32(view)})
        begins = not self._in_flight.has_used(header.frame_seq)
        if begins:
            self._wait_until(
                lambda: self._in_flight.has_room(claim) or self._in_flight.lacks_shots,
                f"credit for frame {header.frame_seq}",
                self.settings.send_timeout_s,
            )
        self._in_flight.add(Outgoing(header.frame_seq, ingest.encode(header), view, claim, shot))
        self._tally["sent"] += begins
        self._turn(0)

    def wait(self, seconds: float) -> None:
        """Let time pass (to keep a frame rate) while acknowledgements and losses are handled."""
        until = time.monotonic() + seconds
        self._wait_until(lambda: time.monotonic() >= until, "the next frame", wake_s=until)

    def finish(self, n_frames: int = 0) -> ingest.Report:
        """End the run and wait until every frame has its fate.

        Args:
            n_frames: Frames the run should have had; those never sent are then missing in the ledger. The highest
                frame_seq + 1 where that is more.

        Raises:
            Incomplete: The daemon's ledger does not account for every frame sent; the text says which are missing.
            TimedOut: Neither an ACK nor the REPORT came for `report_timeout_s`.
            Unreachable: As `send`.
        """
        start = self._open_run()
        self._end = ingest.End(run=start.run, n_frames=max(n_frames, self._in_flight.end))
        self._end_sent = False
        try:
            self._wait_until(
                lambda: self._report is not None, "report", self.settings.report_timeout_s
            )
        except (TimedOut, Cancelled):
            self._end = None  # the caller may wait on: call finish() again
            raise
        if self._report is None:
            raise Incomplete(f"run {start.run}: no report")
        self._check(self._report)
        self._become(SenderState.FINISHED)
        return self._report

    def _open_run(self) -> ingest.Start:
        if self._start is None or self._end is not None or self._dialler is None:
            raise BadInput("sender: no run is open; call start() inside `with` first")
        return self._start

    def _check(self, report: ingest.Report) -> None:
        """Hold the daemon's ledger against what was sent."""
        ledger, n_sent = report.ledger, self._in_flight.n_known - self._tally["refused"]
        received = ledger.get("received", 0)
        settled = sum(ledger.get(fate, 0) for fate in FATES)
        short = [
            f"; {fate} {ledger.get(fate, 0)} although {self._tally[fate]} were acknowledged so"
            for fate in FATES
            if ledger.get(fate, 0) < self._tally[fate]
        ]
        if received != n_sent or settled != n_sent or ledger.get("in_flight", 0) or short:
            raise Incomplete(
                f"run {report.run}: sent {n_sent}, the daemon received {received} and settled {settled}; "
                f"not acknowledged: {self._in_flight.describe()}{''.join(short)}"
            )
        self._tally["settled_unseen"] += self._in_flight.settle_up_to(self._in_flight.end)

    def _wait_until(
        self,
        done: Callable[[], bool],
        what: str,
        timeout_s: float | None = None,
        wake_s: float = float("inf"),
    ) -> None:
        """Turn until `done`; `timeout_s` counts from the last progress, `wake_s` is when to look again."""
        self._progress_s = time.monotonic()
        while not done():
            if self._cancel is not None and self._cancel.is_set():
                raise Cancelled(f"cancelled while waiting for {what}")
            now = time.monotonic()
            if timeout_s is not None and now - self._progress_s >= timeout_s:
                raise TimedOut(
                    f"{self.url}: no {what} within {timeout_s:g} s; "
                    f"not acknowledged: {self._in_flight.describe()}"
                )
            self._turn(min(SLICE_S, max(0.0, wake_s - now)))

    def _turn(self, wait_s: float) -> None:
        """Send what the credit lets go, take every message there is (waiting for the first), survive a loss."""
        try:
            self._pump()
            while self._open is not None and (parts := self._open.link.receive(wait_s)) is not None:
                self._take(decoded(parts))
                wait_s = 0
            self._pump()
        except LinkLost as err:
            if self._report is not None:  # a daemon may stop right after its last word
                self._hang_up()
            else:
                self._resume(err)

    def _pump(self) -> None:
        if self._open is None:
            raise LinkLost("not connected")
        link = self._open.link
        while (message := self._in_flight.next()) is not None:
            link.send([message.header, message.data])
        if self._end is not None and not self._end_sent and not self._in_flight:
            link.send([ingest.encode(self._end)])
            self._end_sent = True

    def _take(self, message: ingest.FromDaemon) -> None:
        if isinstance(message, ingest.Refused):
            self._take_refusal(message)
        elif self._start is None or message.run != self._start.run:
            return
        elif isinstance(message, ingest.Ack) and self._in_flight.settle(message.frame_seq):
            self._tally[message.fate] += 1
            self._progress_s = time.monotonic()
            if self.on_ack is not None:
                self.on_ack(message)
        elif isinstance(message, ingest.Report):
            self._report = message

    def _take_refusal(self, message: ingest.Refused) -> None:
        frame_seq, reason = message.frame_seq, message.reason
        if reason.startswith(_REDO):
            raise LinkLost(reason)
        if reason.startswith("draining:"):
            return  # the daemon will hang up; what it did not take is sent to its successor
        if frame_seq is None:
            raise Refusal(f"{self.url}: {reason}")
        if reason.startswith("credit:"):
            self._in_flight.take_back(frame_seq)
            self._in_flight.credit_bytes = self._in_flight.sent_bytes  # it grants less than it said
        elif self._in_flight.settle(frame_seq):
            self._tally["refused"] += 1
            if self.on_refused is None:
                raise Refusal(f"{self.url}: frame {frame_seq}: {reason}")
            self.on_refused(message)

    def _resume(self, lost: LinkLost) -> None:
        """Reconnect, learn what is settled, and mark the rest to be sent again."""
        if self._dialler is None or self._start is None:
            raise BadInput("sender: use it inside `with`, after start()")
        self._hang_up()
        self._tally["reconnects"] += 1
        self._become(SenderState.LOST)
        n_sent = self._in_flight.rewind()
        self._end_sent = False
        try:
            self._open = self._dialler.dial(self._start, self.settings.reconnect_timeout_s)
        except Unreachable as err:
            kept = self._in_flight.describe()
            raise Unreachable(f"{err}; lost before: {lost}; not acknowledged: {kept}") from lost
        self._in_flight.credit_bytes = self._open.welcome.credit_bytes
        settled = self._in_flight.settle_up_to(self._open.started.last_acked)
        self._tally["settled_unseen"] += settled
        self._tally["resent"] += max(0, n_sent - settled)
        self._progress_s = time.monotonic()
        self._become(SenderState.STREAMING)

    def _hang_up(self) -> None:
        if self._open is not None:
            self._open.link.close()
            self._open = None

    def _become(self, state: SenderState) -> None:
        if state is not self.state:
            self.state = state
            if self.on_state is not None:
                self.on_state(state)
