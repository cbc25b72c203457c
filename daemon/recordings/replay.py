"""Sends a recording to a daemon as the microscope did: the same frames and headers under a new run id.

The file is checked to its end before the first byte is sent. Everything runs in the caller's thread.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from phenostream.daemon.client.best_effort_sender import BestEffortSender
from phenostream.daemon.client.errors import Cancelled
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.client.stream import ShotOrder
from phenostream.daemon.recordings.facts import RunFacts, facts
from phenostream.daemon.recordings.reader import Recorded, RecordingReader
from phenostream.daemon.recordings.recoding import Message, recoded
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.sequences import SequenceSet
from phenostream.daemon.wire.ingest import Ack, Encoding, FrameHeader, Report, ShotHeader, Start
from phenostream.engine.errors import BadConfig, BadRecording


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to replay.

    Attributes:
        rate: Times the recorded pace (1 = as recorded); None sends as fast as it is acknowledged.
        loop: Again and again, each pass as new runs, until cancelled.
        same_run: Keep the recorded run ids, to resume or to provoke duplicates.
        tolerant: Send what is whole of a damaged file.
        encoding: Pack the counts so; None sends them as they were recorded.
        single_shots: Send every shot alone, also of frames that were recorded whole: ``ordered`` as START names them,
            or ``shuffled`` within its frame. Shots that were recorded alone are always sent so.
        sender: Patience and keys.
    """

    rate: float | None = None
    loop: bool = False
    same_run: bool = False
    tolerant: bool = False
    encoding: Encoding | None = None
    single_shots: ShotOrder | None = None
    sender: SenderSettings | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate <= 1e6:
            raise BadConfig(f"rate: {self.rate:g}, allowed above 0 up to 1000000, or none")


def replay(
    path: Path,
    url: str,
    options: ReplayOptions | None = None,
    *,
    on_ack: Callable[[Ack], None] | None = None,
    on_report: Callable[[Report], None] | None = None,
    on_sender: Callable[[Sender], None] | None = None,
    cancel: threading.Event | None = None,
) -> list[Report]:
    """Send every run of a recording, one after another.

    Args:
        path: The recording.
        url: The daemon's ingest endpoint.
        options: Pace and more.
        on_ack: Called with every acknowledgement.
        on_sender: Called with each run's sender before it connects.
        on_report: Called at the end of every run.
        cancel: When set, `Cancelled` is raised within 50 ms; the only way out of a loop.

    Returns:
        The daemon's ledgers of the last pass, one per run in the order they started.

    Raises:
        BadRecording: Damaged (before anything is sent), or it holds no run.
        PhenostreamError: As `Sender`.
    """
    options = options or ReplayOptions()
    held = facts(path, tolerant=options.tolerant)
    if not held.runs:
        raise BadRecording(f"{path}: holds no run")
    while True:
        reports = []
        for run in held.runs:
            with Sender(url, run.start.instrument, _settings(run, options), cancel) as sender:
                sender.on_ack = on_ack
                if on_sender is not None:
                    on_sender(sender)
                reports.append(_send_run(sender, path, run, options))
            if on_report is not None:
                on_report(reports[-1])
        if not options.loop:
            return reports
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"{path}: the loop was cancelled between two passes")


def replay_unanswered(
    path: Path,
    sender: BestEffortSender,
    options: ReplayOptions | None = None,
    *,
    on_frame: Callable[[], object] = lambda: None,
    on_end: Callable[[str, int, int], object] = lambda run, sent, said: None,
) -> None:
    """Send every run of a recording to a daemon that does not answer; see `replay`.

    Args:
        path: The recording.
        sender: Entered.
        options: Pace and more; `sender` is not used.
        on_frame: Called after every frame.
        on_end: Called at the end of every run with its id, the frames sent, and what END said.

    Raises:
        BadRecording: Damaged (before anything is sent), or it holds no run.
        PhenostreamError: As `BestEffortSender`.
    """
    options = options or ReplayOptions()
    held = facts(path, tolerant=options.tolerant)
    if not held.runs:
        raise BadRecording(f"{path}: holds no run")
    while True:
        for recorded in held.runs:
            run = recorded.start.run if options.same_run else new_run_id()
            sender.start(recorded.start.model_copy(update={"run": run}))
            began_s, sent, first_ns = time.monotonic(), SequenceSet(), None
            for frame, header in _frames(path, recorded.start.run, tolerant=options.tolerant):
                first_ns = frame.since_start_ns if first_ns is None else first_ns
                if options.rate is not None:
                    due_s = began_s + (frame.since_start_ns - first_ns) / 1e9 / options.rate
                    time.sleep(max(0.0, due_s - time.monotonic()))
                for message in _messages(frame, header, recorded.start, run, options):
                    sender.send_frame(*message)
                if sent.add(header.frame_seq):
                    on_frame()
            on_end(run, len(sent), sender.finish(recorded.expected or 0))
        if not options.loop:
            return


def _send_run(sender: Sender, path: Path, held: RunFacts, options: ReplayOptions) -> Report:
    recorded = held.start
    run = recorded.run if options.same_run else new_run_id()
    started = sender.start(recorded.model_copy(update={"run": run}))
    known = -1 if started.last_acked is None else started.last_acked
    began_s, first_ns = time.monotonic(), None
    for frame, header in _frames(path, recorded.run, tolerant=options.tolerant):
        if header.frame_seq <= known:
            continue
        first_ns = frame.since_start_ns if first_ns is None else first_ns
        if options.rate is not None:
            due_s = began_s + (frame.since_start_ns - first_ns) / 1e9 / options.rate
            sender.wait(max(0.0, due_s - time.monotonic()))
        for message in _messages(frame, header, recorded, run, options):
            sender.send_frame(*message)
    return sender.finish(held.expected or 0)


def _messages(
    recorded: Recorded,
    header: FrameHeader | ShotHeader,
    start: Start,
    run: str,
    options: ReplayOptions,
) -> Iterator[Message]:
    sent = header.model_copy(update={"run": run})
    return recoded(sent, recorded.data or b"", start, options.encoding, options.single_shots)


def _settings(held: RunFacts, options: ReplayOptions) -> SenderSettings:
    """The daemon must be able to read what will be sent."""
    sent: tuple[Encoding, ...] = held.encodings or ("raw",)
    return replace(options.sender or SenderSettings(), encoding=options.encoding or sent[0])


def _frames(
    path: Path, run: str, *, tolerant: bool
) -> Iterator[tuple[Recorded, FrameHeader | ShotHeader]]:
    with RecordingReader(path, tolerant=tolerant) as reader:
        for recorded in reader:
            message = recorded.message
            if isinstance(message, FrameHeader | ShotHeader) and message.run == run:
                yield recorded, message
