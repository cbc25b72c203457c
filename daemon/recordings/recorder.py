"""A lossless ingest endpoint that records instead of classifying: `phenostream record`.

The protocol is the daemon's own (`sources.desk`): HELLO, credit, resume, duplicates and the ledger are the same code. A
frame is acknowledged after its exact parts are durable, as ``dropped``, because nothing was published. A frame that
breaks what START announced is recorded as it came and acknowledged as quarantined; one whose header breaks the schema
cannot be recorded: the recording then says INCOMPLETE. One thread: receive what there is, write, one fdatasync, answer.
"""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import zmq
from pydantic import ValidationError

from phenostream.daemon.channel import Channel
from phenostream.daemon.claims import claimed_endpoint
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import Arrival, Entry, Passage, ReceivedFrame, RunEnded
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.recordings.facts import RecordingFacts, facts
from phenostream.daemon.recordings.writer import RecordingWriter
from phenostream.daemon.socket_options import Context, Socket
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.lossless import bound_router, post
from phenostream.daemon.sources.reception import Clock, Letter, Outlets
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    Fate,
    Refused,
    Report,
    Start,
    decode_from_source,
    describe,
)
from phenostream.engine.errors import BadConfig, BadMessage

logger = logging.getLogger(__name__)

RECORDED: Final = "recorded: kept in a recording, not classified"
"""Reason of every frame that is in the recording."""

_GREEDY: Final = 16
_SLICE_MS: Final = 100


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """How to record.

    Attributes:
        level: zlib level of the data; 0 keeps up with the fastest source.
        note: Free text kept in the file.
        until_end: Return when a run has ended and none is open.
        max_frame_bytes: Largest data frame taken.
        credit_bytes: Data bytes one source may have sent and not seen acknowledged.
    """

    level: int = 0
    note: str = ""
    until_end: bool = False
    max_frame_bytes: int = 128 << 20
    credit_bytes: int = 128 << 20


def record(
    url: str,
    path: Path,
    options: RecorderOptions | None = None,
    *,
    stop: Event | None = None,
    on_bound: Callable[[str], None] | None = None,
    on_frame: Callable[[Ack], None] | None = None,
) -> RecordingFacts:
    """Bind an ingest endpoint and record what sources send to it, until `stop` or (if asked) the end of the runs.

    Args:
        url: Endpoint to bind, ``ipc://PATH`` or ``tcp://ADDRESS:PORT``.
        path: Must not exist.
        options: Compression, limits, when to return.
        stop: Looked at ten times a second; what was received is written and acknowledged first.
        on_bound: Called with the endpoint (real port) when sources may connect.
        on_frame: Called for every frame that is durable.

    Returns:
        What the recording holds; INCOMPLETE where a run was still open or a frame could not be recorded.

    Raises:
        BadConfig: The endpoint cannot be bound, or the path exists.
        RecordingFull: The disk is full; what was acknowledged is in the file.
    """
    options = options or RecorderOptions()
    config = _ingest_config(url, options)
    stop = stop or Event()
    with ExitStack() as stack:
        stack.enter_context(claimed_endpoint(config.endpoint, "endpoint"))
        context: Context = zmq.Context()
        stack.callback(context.term)
        socket, endpoint = bound_router(context, config)
        stack.callback(socket.close)
        writer = stack.enter_context(RecordingWriter(path, level=options.level, note=options.note))
        recorder = _Recorder(config, writer, on_frame or (lambda ack: None))
        if on_bound is not None:
            on_bound(endpoint)
        while not stop.is_set() and not (options.until_end and recorder.ended):
            if socket.poll(_SLICE_MS):
                post(socket, recorder.take(_received(socket)))
    return facts(path)


@dataclass(frozen=True, slots=True)
class _Received:
    peer: bytes
    parts: list[memoryview]
    clock: Clock


class _NoQuarantine(Quarantine):
    """A frame that breaks its contract goes into the recording, not beside it."""

    def __init__(self) -> None:
        self.removed = self.not_kept = 0

    def keep(
        self, arrival: Arrival, header: dict[str, Any], reason: str, data: memoryview | None
    ) -> None:
        """Keep nothing."""


class _Recorder:
    """The desk, the ledger and the file: messages in, answers out, no socket."""

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
        outlets = Outlets(self._frames, self._entries, _NoQuarantine(), lambda start: None)
        self._desk = IngestDesk(config, self._ledger, self._runs, outlets)
        self._unsettled: list[Ack] = []
        self._ending: list[Start] = []
        self._ends: dict[str, _Received] = {}
        self._started: set[str] = set()
        self._reported: set[str] = set()

    @property
    def ended(self) -> bool:
        """Whether a run has ended and none is open."""
        return bool(self._reported) and self._reported == self._started

    def take(self, messages: list[_Received]) -> list[Letter]:
        """Write what the desk accepts of some messages, make it durable, and return all answers in order."""
        letters: list[Letter] = []
        for message in messages:
            answers = self._desk.receive(message.peer, message.parts, message.clock)
            self._note_end(message, answers)
            self._write_accepted(message)
            letters += answers
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

    def _note_end(self, message: _Received, answers: list[Letter]) -> None:
        """Keep an END that was accepted; it is written behind the run's last frame."""
        if len(message.parts) != 1 or any(isinstance(a.message, Refused) for a in answers):
            return
        end = decode_from_source(message.parts[0])
        if isinstance(end, End) and end.run not in self._reported:
            self._ends.setdefault(end.run, message)

    def _write_accepted(self, message: _Received) -> None:
        """Write the message if the desk took it as the start of a run or as a frame."""
        for frame in self._frames.take_all():
            self._write(message)
            self._owe(frame.arrival, "dropped", RECORDED)
        for entry in self._entries.take_all():
            if isinstance(entry, RunEnded):
                self._ending.append(entry.start)
            elif isinstance(entry, Passage):
                self._write_broken(message, entry)
            elif entry.start.run not in self._started:
                self._started.add(entry.start.run)
                self._write(message)

    def _write_broken(self, message: _Received, passage: Passage) -> None:
        arrival = passage.arrival
        fate, reason = passage.failure or ("failed", "unknown: no reason was given")
        try:
            self._write(message)
        except BadMessage:
            # Outside the schema: there is no way to replay it.
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

    def _write(self, message: _Received) -> None:
        header, *data = message.parts
        since_ns = max(0, round((message.clock.now_s - self._began_s) * 1e9))
        self._writer.write(bytes(header), data[0] if data else None, since_ns, message.clock.utc_ns)


def _received(socket: Socket) -> list[_Received]:
    """What has arrived, at most `_GREEDY` messages."""
    messages: list[_Received] = []
    while len(messages) < _GREEDY:
        try:
            identity, *parts = socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            break
        clock = Clock(time.time_ns(), time.monotonic())
        messages.append(_Received(identity.bytes, [part.buffer for part in parts], clock))
    return messages


def _ingest_config(url: str, options: RecorderOptions) -> IngestConfig:
    try:
        return IngestConfig(
            endpoint=url,
            max_frame_bytes=options.max_frame_bytes,
            credit_bytes=options.credit_bytes,
        )
    except ValidationError as err:
        raise BadConfig(describe(err)) from err
