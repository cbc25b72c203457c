"""What a source's message means: the protocol of ingest as a machine without sockets.

Takes message parts, answers with messages, and hands frames on. Every frame that is received gets its fate; every
message that is refused is told why in one line that starts with a code. A best-effort source is a speaker like any
other, but nobody hears the answers. Belongs to the ingest thread.
"""

import logging
from typing import NamedTuple

from phenostream.daemon.channel_map import told_map, true_shots
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.logs import about
from phenostream.daemon.pipeline.entries import Answer, RunEnded, RunStarted
from phenostream.daemon.sources.frame_check import frame_named
from phenostream.daemon.sources.peers import NOBODY, Peers
from phenostream.daemon.sources.reception import Clock, Letter, Outlets, Reception
from phenostream.daemon.sources.runs import Run, RunBook
from phenostream.daemon.sources.shot_assembler import ShotAssembler
from phenostream.daemon.sources.shot_reception import ShotReception
from phenostream.daemon.wire.codec import MAX_HEADER_BYTES
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    FrameHeader,
    FromSource,
    Hello,
    Refused,
    ShotHeader,
    Start,
    Started,
    Welcome,
    decode_from_source,
)
from phenostream.engine.errors import BadInput, BadMessage

logger = logging.getLogger(__name__)


class Speaker(NamedTuple):
    """Who says something.

    Attributes:
        peer: The connection that is answered; `NOBODY` for a best-effort source.
        instrument: As its HELLO said; None before that, and for a best-effort source, which says none.
        max_frame_bytes: Largest frame it may announce.
        source: Name of the best-effort source.
    """

    peer: bytes
    instrument: str | None
    max_frame_bytes: int
    source: str | None = None


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
        self._peers = Peers(config.credit_bytes)
        self._reception = Reception(ledger, self._peers, outlets)
        self._assembler = ShotAssembler(config.shot_timeout_s, config.shot_memory_bytes)
        self._shots = ShotReception(ledger, self._reception, self._assembler, outlets)
        self._ending: set[str] = set()
        self._draining = False

    @property
    def idle(self) -> bool:
        """Whether no frame owes a fate and no run its report."""
        return not self._reception.owes and not self._ending

    def drain(self) -> None:
        """Take nothing new from now on; what was received gets its fate, but for frames that still wait for shots.

        Those of a lossless source are as if they had not come: it keeps them, and sends them to the next process.
        """
        self._draining = True
        self._ending -= self._shots.forget()

    def expire(self, clock: Clock) -> None:
        """End the frames that have waited too long for their shots."""
        self._shots.expire(clock)

    def pause(self, seconds: float) -> None:
        """Nothing was read for so long: no frame is overdue because of it."""
        self._assembler.pause(seconds)

    def awaits(self, peer: bytes, run: str, frame_seq: int) -> bool:
        """Whether a frame waits for shots over a connection."""
        frame = self._assembler.waiting(run, frame_seq)
        return frame is not None and frame.peer == peer

    def assembling(self) -> dict[str, int]:
        """What waits for shots, as plain values; from any thread."""
        return {"frames": len(self._assembler), "bytes": self._assembler.held_bytes}

    def credit(self) -> dict[str, int]:
        """How much of their credit the sources use, as plain values; from any thread."""
        return self._peers.told()

    def receive(self, peer: bytes, parts: list[memoryview], clock: Clock) -> list[Letter]:
        """One message from a connection.

        Args:
            peer: Identity of the connection.
            parts: Header, and the data of a frame.
            clock: When its last byte had arrived.

        Returns:
            The answers, to be sent in order.
        """
        try:
            message = decoded(parts)
        except BadMessage as err:
            return self.malformed(self._speaker(peer), parts, printable(str(err)), clock)
        if self._draining:
            return _while_draining(peer, message)
        if isinstance(message, Hello):
            return self._hello(peer, message)
        speaker = self._speaker(peer)
        if speaker.instrument is None:
            return self._refuse(peer, f"hello first: {message.type} before hello", message)
        return self.hear(speaker, message, parts, clock)

    def hear(
        self,
        speaker: Speaker,
        message: Start | FrameHeader | ShotHeader | End,
        parts: list[memoryview],
        clock: Clock,
    ) -> list[Letter]:
        """A message of the schema, from a source that is known; see `receive`."""
        peer, run = speaker.peer, self._runs.get(message.run)
        reason = _conflict(run, speaker) if run is not None else None
        if isinstance(message, Start):
            return self._start(speaker, reason, message, clock)
        if run is None or not run.open:
            reason = f"hello first: no start of run {message.run}"
        if run is None or reason is not None:
            return self._refuse(peer, reason or "", message)
        run.peer, run.heard_s = peer, clock.now_s
        if isinstance(message, End):
            return self._end(peer, run, message)
        if isinstance(message, ShotHeader):
            return self._shots.take(peer, run, message, parts[1], clock)
        if self._shots.gives_way(message):
            self._reception.admit(run, message, parts[1], clock)
            return []
        return self._reception.take(peer, run, message, parts[1], clock)

    def end_unheard(self, run: Run) -> None:
        """END is not waited for any longer: the run had the frames it announced, or those up to the highest number."""
        name, expected = run.start.run, run.start.n_expected
        account = self._ledger.run(name)
        self._go_on(run)
        run.ended_by = "timeout"
        self._end(
            NOBODY, run, End(run=name, n_frames=expected or account["received"] + account["gaps"])
        )

    def settled(self, answer: Answer) -> list[Letter]:
        """The commit thread made a fate or a report durable."""
        run = self._runs.get(answer.run)
        if run is None:
            return []
        if isinstance(answer, Ack):
            self._reception.settled(answer)
            self._end_if_settled(run)
        else:
            for gone in self._runs.reported(answer):
                self._ledger.forget(gone)
            self._ending.discard(answer.run)
        return [Letter(run.peer, answer)] if run.peer != NOBODY else []

    def _speaker(self, peer: bytes) -> Speaker:
        return Speaker(peer, self._peers.instrument(peer), self._config.max_frame_bytes)

    def _hello(self, peer: bytes, hello: Hello) -> list[Letter]:
        self._peers.greet(peer, hello.instrument)
        welcome = Welcome(
            max_message_bytes=self._config.max_frame_bytes,
            credit_bytes=self._config.credit_bytes,
            encodings=self._outlets.encodings,
            run=hello.run,
            last_acked=self._ledger.last_acked(hello.run) if hello.run else None,
        )
        return [Letter(peer, welcome)]

    def _start(
        self, speaker: Speaker, conflict: str | None, start: Start, clock: Clock
    ) -> list[Letter]:
        peer = speaker.peer
        reason = self._unfit(start, speaker) or conflict
        if reason is not None:
            return self._refuse(peer, reason, start)
        run = self._runs.get(start.run)
        opening = self._runs.open(start, peer, clock.now_s, speaker.source)
        if opening == "conflict":
            return self._refuse(peer, f"conflict: run {start.run} began with another start", start)
        if opening == "busy":
            reason = f"busy: {self._config.max_open_runs} runs are open, try again later"
            return self._refuse(peer, reason, start)
        if opening == "forgotten":
            reason = (
                f"conflict: run {start.run} ended long ago; the journal alone may know its account"
            )
            return self._refuse(peer, reason, start)
        self._ledger.open(start.run, start.n_expected)
        if opening == "new":
            self._tell_of(start, "begins", None, speaker.source)
        elif run is not None:
            self._go_on(run)
        return [Letter(peer, Started(run=start.run, last_acked=self._ledger.last_acked(start.run)))]

    def _go_on(self, run: Run) -> None:
        """Tell the commit thread of a run that an earlier process began."""
        if run.first_offset is not None and run.report is None:
            self._tell_of(run.start, "goes on", run.first_offset, run.source)
            run.first_offset = None

    def _tell_of(
        self, start: Start, how: str, resumed_from: int | None, source: str | None
    ) -> None:
        """A run is open: say so in the log and to the commit thread, with the channel map if there is one."""
        told = told_map(start, true_shots(start, self._config.channel_map))
        said = ", ".join(f"{shot} is {truth}" for shot, truth in (told or {}).items())
        mapped = f"; channel map: {said}" if said else ""
        subject = about(start.run, start.instrument)
        logger.info("run %s of %s %s%s", start.run, start.instrument, how, mapped, extra=subject)
        self._outlets.enter(RunStarted(start, resumed_from, source, told))

    def _unfit(self, start: Start, speaker: Speaker) -> str | None:
        """Why a START cannot be served, whatever else is open; None if it can."""
        most = speaker.max_frame_bytes
        if speaker.instrument not in (None, start.instrument):
            return f"conflict: instrument {start.instrument}, hello said {speaker.instrument}"
        if start.frame_bytes > most:
            return f"unfit: frames of {start.frame_bytes} bytes, allowed {most}"
        try:
            self._outlets.check_camera(start)
        except BadInput as err:
            return f"unfit: {err}"
        return None

    def _end(self, peer: bytes, run: Run, end: End) -> list[Letter]:
        refusal = self._ledger.end(end.run, end.n_frames)
        if refusal is not None:
            return self._refuse(peer, f"end: {refusal}", end)
        if run.report is not None:
            return [Letter(peer, run.report)]
        expected = run.start.n_expected
        if expected is not None and expected != end.n_frames:
            logger.warning(
                "run %s: ended with %d frames, %d expected",
                end.run,
                end.n_frames,
                expected,
                extra=about(end.run, run.start.instrument),
            )
        self._ending.add(end.run)
        self._end_if_settled(run)
        return []

    def _end_if_settled(self, run: Run) -> None:
        name = run.start.run
        if name in self._ending and not run.end_queued and not self._ledger.in_flight(name):
            run.end_queued = True
            self._outlets.enter(RunEnded(run.start, run.source, run.ended_by))

    def malformed(
        self, speaker: Speaker, parts: list[memoryview], error: str, clock: Clock
    ) -> list[Letter]:
        """A message outside the schema is counted and refused, but a frame of an open run gets a fate."""
        peer = speaker.peer
        name = frame_named(header_of(parts))
        run = self._runs.get(name.run) if name else None
        if run is not None and _conflict(run, speaker) is not None:
            run = None  # nobody speaks for another's run
        self._ledger.count("malformed", run.start.run if run else None)
        if name is None or run is None or not run.open or self._draining:
            return [Letter(peer, Refused(reason=f"message: {error}"))]
        run.peer, run.heard_s = peer, clock.now_s
        data = parts[1] if len(parts) > 1 else memoryview(b"")
        reception = self._shots if name.is_shot else self._reception
        return reception.take_broken(peer, run, name.frame_seq, error, data, clock)

    def _refuse(
        self, peer: bytes, reason: str, message: Start | FrameHeader | ShotHeader | End
    ) -> list[Letter]:
        self._ledger.count("refused", message.run)
        frame_seq = None if isinstance(message, Start | End) else message.frame_seq
        return [Letter(peer, Refused(reason=reason, run=message.run, frame_seq=frame_seq))]


def decoded(parts: list[memoryview]) -> FromSource:
    """The message of a source, its number of parts checked.

    Raises:
        BadMessage: One line that names the key, the value and what is allowed.
    """
    message = decode_from_source(header_of(parts))
    if len(parts) != (2 if isinstance(message, FrameHeader | ShotHeader) else 1):
        raise BadMessage(f"{message.type} of {len(parts)} parts")
    return message


def header_of(parts: list[memoryview]) -> bytes:
    """The first part, no longer than it takes to see that it is too long."""
    return bytes(parts[0][: MAX_HEADER_BYTES + 1]) if parts else b""


def _conflict(run: Run, speaker: Speaker) -> str | None:
    """Why a speaker has no say in a run; None if it has."""
    if run.source != speaker.source:
        return f"conflict: {_said(run.source)} has run {run.start.run}, not {_said(speaker.source)}"
    if speaker.source is None and speaker.instrument != run.start.instrument:
        return f"conflict: instrument {run.start.instrument} has this run, not {speaker.instrument}"
    return None


def _said(source: str | None) -> str:
    return "a lossless source" if source is None else f"best-effort source {source}"


def _while_draining(peer: bytes, message: FromSource) -> list[Letter]:
    """A frame stays unacknowledged with its source; anything else hears that this daemon stops."""
    if isinstance(message, FrameHeader | ShotHeader):
        return []
    return [Letter(peer, Refused(reason="draining: this daemon is stopping, dial again"))]


def printable(text: str) -> str:
    """One line of at most 300 characters: the text may quote what a stranger sent."""
    return "".join(c if c.isprintable() else "?" for c in text)[:300]
