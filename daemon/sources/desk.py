"""What a source's message means: the protocol of lossless ingest as a machine without sockets.

Takes decoded parts, answers with messages, and hands frames on. Every frame that is received here gets its fate; every
message that is refused says why in one line that starts with a code. Belongs to the ingest thread.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from phenostream.daemon.channel import Channel
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import (
    Answer,
    Arrival,
    Entry,
    Passage,
    ReceivedFrame,
    RunEnded,
    RunStarted,
)
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.sources.frame_check import fault, frame_named, frame_view
from phenostream.daemon.sources.runs import Run, RunBook
from phenostream.daemon.wire.codec import MAX_HEADER_BYTES
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    FrameHeader,
    FromDaemon,
    Hello,
    Refused,
    Start,
    Started,
    Welcome,
    decode_from_source,
)
from phenostream.engine.errors import BadInput, BadMessage

logger = logging.getLogger(__name__)

_MOST_PEERS: Final = 1024


class Letter(NamedTuple):
    """One message for one connection."""

    peer: bytes
    message: FromDaemon


class Clock(NamedTuple):
    """One reading of both clocks."""

    utc_ns: int
    now_s: float


@dataclass(slots=True)
class _Peer:
    instrument: str
    outstanding_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where the desk puts what it accepts.

    Attributes:
        frames: To the prepare thread. The caller asks the desk for nothing while it is full.
        entries: To the commit thread.
        check_camera: Raises `BadInput` for a START the engine cannot work with.
    """

    frames: Channel[ReceivedFrame]
    entries: Channel[Entry]
    quarantine: Quarantine
    check_camera: Callable[[Start], object]


class IngestDesk:
    """One per daemon."""

    def __init__(
        self, config: IngestConfig, ledger: Ledger, runs: RunBook, outlets: Outlets
    ) -> None:
        """Take over the runs found in the journal."""
        self._config = config
        self._ledger = ledger
        self._runs = runs
        self._outlets = outlets
        self._peers: OrderedDict[bytes, _Peer] = OrderedDict()
        self._owed: dict[tuple[str, int], tuple[bytes, int]] = {}
        self._ending: frozenset[str] = frozenset()
        self._draining = False

    @property
    def idle(self) -> bool:
        """Whether no frame owes a fate and no run its report."""
        return not self._owed and not self._ending

    def drain(self) -> None:
        """Take nothing new from now on; what was received gets its fate."""
        self._draining = True

    def receive(self, peer: bytes, parts: list[memoryview], clock: Clock) -> list[Letter]:
        """One message from a connection.

        Args:
            peer: Identity of the connection.
            parts: Header, and the data of a frame.
            clock: When its last byte had arrived.

        Returns:
            The answers, to be sent in order.
        """
        header = bytes(parts[0][: MAX_HEADER_BYTES + 1]) if parts else b""
        try:
            message = decode_from_source(header)
            if len(parts) != (2 if isinstance(message, FrameHeader) else 1):
                raise BadMessage(f"{message.type} of {len(parts)} parts")
        except BadMessage as err:
            return self._malformed(peer, header, parts, str(err), clock)
        if self._draining:
            return self._while_draining(peer, message)
        if isinstance(message, Hello):
            return self._hello(peer, message)
        known = self._peers.get(peer)
        if known is None:
            return self._refuse(peer, f"hello first: {message.type} before hello", message)
        self._peers.move_to_end(peer)
        if isinstance(message, Start):
            return self._start(peer, known, message, clock)
        run = self._runs.get(message.run)
        if run is None or not run.open:
            return self._refuse(peer, f"hello first: no start of run {message.run}", message)
        run.peer, run.heard_s = peer, clock.now_s
        if isinstance(message, End):
            return self._end(peer, run, message)
        return self._frame(peer, run, message, parts[1], clock)

    def settled(self, answer: Answer) -> list[Letter]:
        """The commit thread made a fate or a report durable."""
        run = self._runs.get(answer.run)
        if run is None:
            return []
        if not isinstance(answer, Ack):
            run.report, self._ending = answer, self._ending - {answer.run}
            return [Letter(run.peer, answer)]
        sender, size = self._owed.pop((answer.run, answer.frame_seq), (b"", 0))
        if sender in self._peers:
            self._peers[sender].outstanding_bytes -= size
        self._end_if_settled(run)
        return [Letter(run.peer, answer)]

    def _hello(self, peer: bytes, hello: Hello) -> list[Letter]:
        self._peers[peer] = _Peer(hello.instrument)
        if len(self._peers) > _MOST_PEERS:
            self._peers.popitem(last=False)
        welcome = Welcome(
            max_message_bytes=self._config.max_frame_bytes,
            credit_bytes=self._config.credit_bytes,
            run=hello.run,
            last_acked=self._ledger.last_acked(hello.run) if hello.run else None,
        )
        return [Letter(peer, welcome)]

    def _start(self, peer: bytes, known: _Peer, start: Start, clock: Clock) -> list[Letter]:
        if start.instrument != known.instrument:
            return self._refuse(
                peer,
                f"conflict: instrument {start.instrument}, hello said {known.instrument}",
                start,
            )
        if start.frame_bytes > self._config.max_frame_bytes:
            most = self._config.max_frame_bytes
            return self._refuse(
                peer, f"unfit: frames of {start.frame_bytes} bytes, allowed {most}", start
            )
        try:
            self._outlets.check_camera(start)
        except BadInput as err:
            return self._refuse(peer, f"unfit: {err}", start)
        run = self._runs.get(start.run)
        opening = self._runs.open(start, peer, clock.now_s)
        if opening == "conflict":
            return self._refuse(peer, f"conflict: run {start.run} began with another start", start)
        if opening == "busy":
            return self._refuse(
                peer, f"busy: {self._config.max_open_runs} runs are open, try again later", start
            )
        self._ledger.open(start.run, start.n_expected)
        if opening == "new":
            logger.info("run %s of %s begins", start.run, start.instrument)
            self._outlets.entries.put(RunStarted(start))
        elif run is not None and run.first_offset is not None and run.report is None:
            logger.info("run %s of %s goes on", start.run, start.instrument)
            self._outlets.entries.put(RunStarted(start, run.first_offset))
            run.first_offset = None
        return [Letter(peer, Started(run=start.run, last_acked=self._ledger.last_acked(start.run)))]

    def _end(self, peer: bytes, run: Run, end: End) -> list[Letter]:
        refusal = self._ledger.end(end.run, end.n_frames)
        if refusal is not None:
            return self._refuse(peer, f"end: {refusal}", end)
        if run.report is not None:
            return [Letter(peer, run.report)]
        expected = run.start.n_expected
        if expected is not None and expected != end.n_frames:
            logger.warning(
                "run %s: ended with %d frames, %d expected", end.run, end.n_frames, expected
            )
        self._ending = self._ending | {end.run}
        self._end_if_settled(run)
        return []

    def _frame(
        self, peer: bytes, run: Run, header: FrameHeader, data: memoryview, clock: Clock
    ) -> list[Letter]:
        turned_away = self._turn_away(peer, header.run, header.frame_seq, data.nbytes)
        if turned_away is not None:
            return turned_away
        arrival = Arrival(
            run.start,
            header.frame_seq,
            clock.utc_ns,
            clock.now_s,
            header.source_utc_ns,
            (header.x_um, header.y_um, header.z_um),
            header.exposure_ms,
        )
        self._owe(peer, arrival, data.nbytes)
        reason = fault(header, run.start, data)
        if reason is not None:
            self._quarantine(arrival, header.model_dump(), reason, data)
        else:
            self._outlets.frames.put(ReceivedFrame(arrival, frame_view(run.start, data)))
        return []

    def _turn_away(self, peer: bytes, run: str, frame_seq: int, size: int) -> list[Letter] | None:
        """The answer to a frame that is not received, or None for one that is."""
        standing = self._ledger.standing(run, frame_seq)
        if standing.kind == "late":
            self._ledger.count("late", run)
            reason = f"late: frame_seq {frame_seq} is beyond the announced count or after end"
            return [Letter(peer, Refused(reason=reason, run=run, frame_seq=frame_seq))]
        if standing.kind != "new":
            self._ledger.count("duplicates", run)
            if standing.fate is None:
                return []
            ack = Ack(run=run, frame_seq=frame_seq, fate=standing.fate, reason=standing.reason)
            return [Letter(peer, ack)]
        outstanding = self._peers[peer].outstanding_bytes
        if outstanding and outstanding + size > self._config.credit_bytes:
            self._ledger.count("refused", run)
            reason = (
                f"credit: {outstanding} bytes unacknowledged, allowed {self._config.credit_bytes}"
            )
            return [Letter(peer, Refused(reason=reason, run=run, frame_seq=frame_seq))]
        return None

    def _owe(self, peer: bytes, arrival: Arrival, size: int) -> None:
        run = arrival.start.run
        self._ledger.receive(run, arrival.frame_seq)
        self._owed[run, arrival.frame_seq] = (peer, size)
        self._peers[peer].outstanding_bytes += size

    def _quarantine(
        self, arrival: Arrival, header: dict[str, object], reason: str, data: memoryview | None
    ) -> None:
        logger.warning("run %s frame %d: %s", arrival.start.run, arrival.frame_seq, reason)
        self._outlets.quarantine.keep(arrival, header, reason, data)
        self._outlets.entries.put(Passage(arrival, failure=("quarantined", reason)))

    def _malformed(
        self, peer: bytes, header: bytes, parts: list[memoryview], error: str, clock: Clock
    ) -> list[Letter]:
        """A message outside the schema: a frame of an open run is quarantined, anything else counted and refused."""
        name = frame_named(header)
        run = self._runs.get(name[0]) if name else None
        if name is None or run is None or not run.open or self._draining or peer not in self._peers:
            self._ledger.count("malformed", name[0] if run and name else None)
            logger.debug("malformed message: %s", error)
            return [Letter(peer, Refused(reason=f"message: {error}"))]
        run.peer, run.heard_s = peer, clock.now_s
        data = parts[1] if len(parts) > 1 else None
        size = data.nbytes if data is not None else 0
        turned_away = self._turn_away(peer, name[0], name[1], size)
        if turned_away is not None:
            return turned_away
        self._ledger.count("malformed", name[0])
        arrival = Arrival(run.start, name[1], clock.utc_ns, clock.now_s)
        self._owe(peer, arrival, size)
        self._quarantine(arrival, {}, error, data)
        return []

    def _while_draining(
        self, peer: bytes, message: Hello | Start | FrameHeader | End
    ) -> list[Letter]:
        if isinstance(message, FrameHeader):
            return []
        return [Letter(peer, Refused(reason="draining: this daemon is stopping, dial again"))]

    def _refuse(self, peer: bytes, reason: str, message: Start | FrameHeader | End) -> list[Letter]:
        self._ledger.count("refused", message.run)
        frame_seq = message.frame_seq if isinstance(message, FrameHeader) else None
        return [Letter(peer, Refused(reason=reason, run=message.run, frame_seq=frame_seq))]

    def _end_if_settled(self, run: Run) -> None:
        name = run.start.run
        if name in self._ending and not run.end_queued and not self._ledger.in_flight(name):
            run.end_queued = True
            self._outlets.entries.put(RunEnded(run.start))
