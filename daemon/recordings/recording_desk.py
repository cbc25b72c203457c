"""What a recorder does with a source's message: the daemon's ingest desk in front of a file instead of a pipeline.

The desk decides what is accepted; here that is written exactly as it came, made durable, and answered. Knows no socket.
Belongs to the recorder's one thread.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from phenostream.daemon.channel import Channel
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import (
    Arrival,
    Entry,
    Passage,
    ReceivedFrame,
    RunEnded,
    RunStarted,
)
from phenostream.daemon.quarantine import Part
from phenostream.daemon.recordings.writer import RecordingWriter
from phenostream.daemon.sources.desk import IngestDesk, header_of
from phenostream.daemon.sources.frame_check import Named, frame_named
from phenostream.daemon.sources.reception import Clock, Letter, Outlets
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.wire.codec import unpack_header
from phenostream.daemon.wire.ingest import (
    Ack,
    Encoding,
    End,
    Fate,
    Refused,
    Report,
    Start,
    decode_from_source,
)
from phenostream.engine.errors import BadMessage

RECORDED: Final = "recorded: kept in a recording, not classified"
"""Reason of every frame that is in the recording."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a connection."""

    peer: bytes
    parts: list[memoryview]
    clock: Clock


class _NoQuarantine:
    """A frame that breaks its contract goes into the recording, not beside it."""

    def keep(self, arrival: Arrival, reason: str, parts: Sequence[Part]) -> None:
        """Keep nothing."""


class RecordingDesk:
    """The desk, the ledger and the file: messages in, answers out."""

    def __init__(
        self, config: IngestConfig, writer: RecordingWriter, on_frame: Callable[[Ack], None]
    ) -> None:
        self._writer = writer
        self._on_frame = on_frame
        self._began_s = time.monotonic()
        self._ledger = Ledger()
        self._runs = RunBook(config.max_open_runs, self._ledger.in_flight)
        # Emptied after every message: neither can fill.
        self._frames: Channel[ReceivedFrame] = Channel(None)
        self._entries: Channel[Entry] = Channel(None)
        outlets = Outlets(
            self._frames,
            self._entries,
            _NoQuarantine(),
            lambda start: None,
            lambda: None,
            get_args(Encoding),  # kept as they are sent, without the library that reads them
        )
        self._desk = IngestDesk(config, self._ledger, self._runs, outlets)
        self._shots: dict[tuple[str, int], list[Received]] = {}
        self._unsettled: list[Ack] = []
        self._ending: list[Start] = []
        self._ends: dict[str, Received] = {}
        self._started: set[str] = set()
        self._reported: set[str] = set()

    @property
    def ended(self) -> bool:
        """Whether a run has ended and none is open."""
        return bool(self._reported) and self._reported == self._started

    def take(self, messages: list[Received]) -> list[Letter]:
        """Write what the desk accepts of some messages, make it durable, and return all answers in order.

        Without any message, frames that have waited too long for their shots get their fate.
        """
        letters: list[Letter] = []
        for message in messages:
            answers = self._desk.receive(message.peer, message.parts, message.clock)
            self._note_end(message, answers)
            self._write_accepted(message)
            letters += answers
        if not messages:  # what waits in the socket, behind a slow disk, is not overdue
            self._desk.expire(Clock(time.time_ns(), time.monotonic()))
            self._write_accepted(None)
        if self._unsettled:
            self._writer.sync()
            settled, self._unsettled = self._unsettled, []
            for ack in settled:
                letters += self._settle(ack)
        for start in self._entered_ends():
            self._write(self._ends.pop(start.run))
            self._writer.sync()
            self._reported.add(start.run)
            letters += self._desk.settled(Report(run=start.run, ledger=self._ledger.run(start.run)))
        return letters

    def _note_end(self, message: Received, answers: list[Letter]) -> None:
        """Keep an END that was accepted; it is written behind the run's last frame."""
        if len(message.parts) != 1 or any(isinstance(a.message, Refused) for a in answers):
            return
        end = decode_from_source(message.parts[0])
        if isinstance(end, End) and end.run not in self._reported:
            self._ends.setdefault(end.run, message)

    def _write_accepted(self, message: Received | None) -> None:
        """Write what the desk took: the start of a run, or all messages of a frame that waits for no more."""
        named = frame_named(header_of(message.parts)) if message else None
        for frame in self._frames.take_all():
            for part in self._messages_of(frame.arrival, message, named):
                self._write(part)
            self._owe(frame.arrival, "dropped", RECORDED)
        for entry in self._entries.take_all():
            if isinstance(entry, RunEnded):
                self._ending.append(entry.start)
            elif isinstance(entry, Passage):
                self._write_broken(self._messages_of(entry.arrival, message, named), entry)
            elif isinstance(entry, RunStarted) and message and entry.start.run not in self._started:
                self._started.add(entry.start.run)
                self._write(message)
        if message is not None and named is not None and named.is_shot:
            self._hold(message, named)

    def _messages_of(
        self, arrival: Arrival, message: Received | None, named: Named | None
    ) -> list[Received]:
        """The messages that make up a frame: its shots that were held, and the present message if it is of it."""
        key = arrival.start.run, arrival.frame_seq
        held = self._shots.pop(key, [])
        if message is None or named is None or (named.run, named.frame_seq) != key:
            return held
        return [*held, message] if named.is_shot else [message]

    def _hold(self, message: Received, named: Named) -> None:
        """Keep a shot that its frame waits with: only those of the connection that sends the frame now."""
        key = named.run, named.frame_seq
        if not self._desk.awaits(message.peer, *key):
            return
        held = [one for one in self._shots.get(key, []) if one.peer == message.peer]
        if _illumination(message) not in map(_illumination, held):
            self._shots[key] = [*held, message]

    def _write_broken(self, messages: list[Received], passage: Passage) -> None:
        arrival = passage.arrival
        fate, reason = passage.failure or ("failed", "unknown: no reason was given")
        for message in messages:
            try:
                self._write(message)
            except BadMessage:
                # Outside the schema, or twice in its frame: there is no way to replay it.
                self._writer.drop(f"run {arrival.start.run} frame {arrival.frame_seq}: {reason}")
        self._owe(arrival, fate, reason)

    def _owe(self, arrival: Arrival, fate: Fate, reason: str) -> None:
        run, frame_seq = arrival.start.run, arrival.frame_seq
        self._unsettled.append(Ack(run=run, frame_seq=frame_seq, fate=fate, reason=reason))

    def _settle(self, ack: Ack) -> list[Letter]:
        self._ledger.settle(ack.run, ack.frame_seq, ack.fate, ack.reason)
        self._on_frame(ack)
        return self._desk.settled(ack)

    def _entered_ends(self) -> list[Start]:
        """Runs that ended and whose every frame is durable."""
        entries = self._entries.take_all()
        ending = self._ending + [entry.start for entry in entries if isinstance(entry, RunEnded)]
        self._ending = []
        return ending

    def _write(self, message: Received) -> None:
        header, *data = message.parts
        since_ns = max(0, round((message.clock.now_s - self._began_s) * 1e9))
        self._writer.write(bytes(header), data[0] if data else None, since_ns, message.clock.utc_ns)


def _illumination(shot: Received) -> object:
    return unpack_header(shot.parts[0]).get("illumination")
