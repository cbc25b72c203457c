"""What becomes of one frame at the door: taken, turned away with a reason, or quarantined.

A frame that is taken or quarantined here owes a fate from then on; one that is turned away was never received.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from phenostream.daemon.channel import Channel
from phenostream.daemon.ledger import Incident, Ledger
from phenostream.daemon.logs import about
from phenostream.daemon.pipeline.entries import Arrival, Entry, Passage, ReceivedFrame
from phenostream.daemon.pipeline.expansion import Expanding, Packed
from phenostream.daemon.quarantine import Keeper, Part
from phenostream.daemon.sources.frame_check import fault, parts_of
from phenostream.daemon.sources.peers import Peers
from phenostream.daemon.sources.runs import Run
from phenostream.daemon.wire.ingest import (
    Ack,
    Encoding,
    FrameHeader,
    FromDaemon,
    Refused,
    ShotHeader,
    Start,
)
from phenostream.engine.types import Frame

logger = logging.getLogger(__name__)


class Letter(NamedTuple):
    """One message for one connection."""

    peer: bytes
    message: FromDaemon


class Clock(NamedTuple):
    """One reading of both clocks."""

    utc_ns: int
    now_s: float


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where what is accepted goes.

    Attributes:
        frames: To the prepare thread. Nothing is received while it is full.
        entries: To the commit thread.
        quarantine: Keeps what breaks its contract.
        check_camera: Raises `BadInput` for a START the engine cannot work with.
        beat: Called with every entry, and while `entries` is full: the ingest thread works or waits, it is not stuck.
        encodings: What WELCOME promises to read.
        expand: Begins to decode compressed counts; None where nobody will look at them.
    """

    frames: Channel[ReceivedFrame]
    entries: Channel[Entry]
    quarantine: Keeper
    check_camera: Callable[[Start], object]
    beat: Callable[[], None]
    encodings: tuple[Encoding, ...] = ("raw",)
    expand: Callable[[Start, Sequence[Frame | Packed]], Expanding] | None = None

    def hand_on(self, arrival: Arrival, parts: Sequence[Frame | Packed]) -> None:
        """Send a checked frame on its way, its compressed parts to be expanded meanwhile."""
        plain = tuple(part for part in parts if not isinstance(part, Packed))
        if len(plain) == len(parts):
            self.frames.put(ReceivedFrame(arrival, plain))
        else:
            expanding = self.expand(arrival.start, parts) if self.expand is not None else None
            self.frames.put(ReceivedFrame(arrival, None, expanding))

    def enter(self, entry: Entry) -> None:
        """Hand something to the commit thread; waits while it has too much."""
        self.beat()
        self.entries.put(entry, self.beat)


class Reception:
    """Belongs to the ingest thread."""

    def __init__(self, ledger: Ledger, peers: Peers, outlets: Outlets) -> None:
        """No frame owes a fate."""
        self._ledger = ledger
        self._peers = peers
        self._outlets = outlets
        self._owed: dict[tuple[str, int], tuple[bytes, int]] = {}

    @property
    def owes(self) -> bool:
        """Whether any frame still owes its fate."""
        return bool(self._owed)

    def take(
        self, peer: bytes, run: Run, header: FrameHeader, data: memoryview, clock: Clock
    ) -> list[Letter]:
        """A frame of an open run."""
        turned_away = self.turn_away(peer, header.run, header.frame_seq, data.nbytes)
        if turned_away is not None:
            self.note_retake(run, header)
            return turned_away
        self.owe(peer, header.run, header.frame_seq, data.nbytes)
        self.admit(run, header, data, clock)
        return []

    def admit(self, run: Run, header: FrameHeader, data: memoryview, clock: Clock) -> None:
        """A whole frame that owes its fate: to the pipeline, or into quarantine."""
        run.retakes.received(header.frame_seq, header.source_utc_ns)
        arrival = Arrival(
            run.start,
            header.frame_seq,
            clock.utc_ns,
            clock.now_s,
            header.source_utc_ns,
            (header.x_um, header.y_um, header.z_um),
            header.exposure_ms,
            run.source,
        )
        reason = fault(header, run.start, data, self._outlets.encodings)
        if reason is not None:
            self.quarantine(run, arrival, reason, [Part(header.model_dump(), data)])
        else:
            self._outlets.hand_on(arrival, parts_of(header, run.start, data))

    def take_broken(
        self, peer: bytes, run: Run, frame_seq: int, error: str, data: memoryview, clock: Clock
    ) -> list[Letter]:
        """A frame of an open run whose header names it but breaks the schema."""
        turned_away = self.turn_away(peer, run.start.run, frame_seq, data.nbytes)
        if turned_away is not None:
            return turned_away
        self.owe(peer, run.start.run, frame_seq, data.nbytes)
        arrival = Arrival(run.start, frame_seq, clock.utc_ns, clock.now_s, source=run.source)
        self.quarantine(run, arrival, f"header: {error}", [Part({}, data)])
        return []

    def settled(self, ack: Ack) -> None:
        """A fate is on disk: the sender has its credit back."""
        self._peers.refund(*self._owed.pop((ack.run, ack.frame_seq), (b"", 0)))

    def withdraw(self, run: str, frame_seq: int) -> None:
        """A frame will get no fate from this process: its source keeps it and will send it again."""
        self._ledger.withdraw(run, frame_seq)
        self._peers.refund(*self._owed.pop((run, frame_seq)))

    def turn_away(
        self, peer: bytes, run: str, frame_seq: int, size: int, *, again: Incident = "duplicates"
    ) -> list[Letter] | None:
        """The answer to a frame that is not received, or None for one that is.

        Args:
            peer: Who sent it.
            run: An open run.
            frame_seq: Which frame.
            size: Data bytes that it will have outstanding.
            again: What a frame that was received before is counted as.
        """
        standing = self._ledger.standing(run, frame_seq)
        if standing.kind == "late":
            self._ledger.count("late", run)
            reason = f"late: frame_seq {frame_seq} is beyond the announced count or after end"
            return [Letter(peer, Refused(reason=reason, run=run, frame_seq=frame_seq))]
        if standing.kind != "new":
            self._ledger.count(again, run)
            if standing.fate is None:
                return []
            ack = Ack(run=run, frame_seq=frame_seq, fate=standing.fate, reason=standing.reason)
            return [Letter(peer, ack)]
        overdrawn = self._peers.overdrawn(peer, size)
        if overdrawn is not None:
            self._ledger.count("refused", run)
            return [
                Letter(peer, Refused(reason=f"credit: {overdrawn}", run=run, frame_seq=frame_seq))
            ]
        return None

    def note_retake(self, run: Run, header: FrameHeader | ShotHeader) -> None:
        """A source that restarted and goes on with its run loses new frames as duplicates, which must be loud."""
        name, frame_seq = header.run, header.frame_seq
        if self._ledger.standing(name, frame_seq).kind not in ("settled", "in_flight"):
            return
        shot = header.illumination if isinstance(header, ShotHeader) else None
        if run.retakes.begins(frame_seq, header.source_utc_ns, shot):
            self._ledger.count("restarts", name)
            logger.warning(
                "run %s: frame_seq begins again at %d with frames taken at another time: they count as duplicates "
                "or late shots and are not kept; a new acquisition needs a new run id",
                name,
                frame_seq,
                extra=about(name, run.start.instrument, frame_seq),
            )

    def owe(self, peer: bytes, run: str, frame_seq: int, size: int) -> None:
        """A frame is received: it owes a fate, and its sender's credit is taken until then."""
        self._ledger.receive(run, frame_seq)
        self._owed[run, frame_seq] = (peer, size)
        self._peers.charge(peer, size)

    def quarantine(self, run: Run, arrival: Arrival, reason: str, parts: Sequence[Part]) -> None:
        """A frame that broke its contract is kept aside, and its fate goes to the commit thread."""
        self.complain(run, arrival.frame_seq, reason)
        self._outlets.quarantine.keep(arrival, reason, parts)
        self._outlets.enter(Passage(arrival, failure=("quarantined", reason)))

    def complain(self, run: Run, frame_seq: int, reason: str) -> None:
        """Log what is wrong with a run's frames, once for every code."""
        code = reason.partition(":")[0]
        if code not in run.complaints:
            run.complaints.add(code)
            logger.warning(
                "run %s frame %d: %s (said once per run and reason)",
                run.start.run,
                frame_seq,
                reason,
                extra=about(run.start.run, run.start.instrument, frame_seq),
            )
