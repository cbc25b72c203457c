"""The commit thread: journal, one fdatasync for whatever is queued, then publish, settle and acknowledge.

The next fdatasync starts when the last one returns; there is no timer. Owns the journal's writing end and the results
socket. While the disk is full it keeps what it has, reports degraded and tries again: the stages behind it fill up and
the sources run out of credit.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Final

import zmq

from phenostream.daemon.channel import BEAT_S, Aborted, Channel, Closed
from phenostream.daemon.checkpointing import Checkpointing
from phenostream.daemon.crew import Beat
from phenostream.daemon.descriptors import descriptor_is_free
from phenostream.daemon.drifting import Drifting
from phenostream.daemon.health import Health
from phenostream.daemon.journal.log import Journal, JournalFull
from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.logs import about
from phenostream.daemon.meters import Meters
from phenostream.daemon.narration import Narration
from phenostream.daemon.newest_summary import NewestSummary
from phenostream.daemon.open_runs import OpenRuns
from phenostream.daemon.pipeline.entries import (
    Answer,
    Entry,
    ModelChanged,
    ModelClosed,
    Passage,
    RunEnded,
    RunStarted,
    SummaryWorded,
)
from phenostream.daemon.pipeline.records import (
    FrameEnd,
    end_frame,
    model_changed,
    run_ended,
    run_open,
    run_started,
)
from phenostream.daemon.publisher import Publisher
from phenostream.daemon.register import Register
from phenostream.daemon.summaries import SummaryBook
from phenostream.daemon.swap.models import Models
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.ingest import Ack, Report, Start
from phenostream.daemon.wire.results import Topic

logger = logging.getLogger(__name__)

_FULL: Final = "journal"
_RETRY_S: Final = 0.2


@dataclass(slots=True)
class _Group:
    """What one fdatasync will make true, and what may be said then."""

    items: list[tuple[Topic, bytes]]
    settle: list[Callable[[], None]]
    answers: list[Answer]
    ended: list[tuple[Passage, FrameEnd]]
    runs_ended: bool = False


@dataclass(frozen=True, slots=True)
class Books:
    """What the commit thread writes in, besides the journal."""

    ledger: Ledger
    health: Health
    summaries: SummaryBook
    open_runs: OpenRuns
    register: Register = field(default_factory=Register)
    checkpointing: Checkpointing | None = None
    narration: Narration | None = None
    meters: Meters = field(default_factory=Meters)
    newest_summary: NewestSummary = field(default_factory=NewestSummary)
    drifting: Drifting | None = None


class Commit:
    """The body of the commit thread.

    Attributes:
        source_synthetic: Whether any run that this process opened or went on with is of a simulated microscope.
    """

    def __init__(
        self,
        models: Models,
        journal: Journal,
        books: Books,
        entries: Channel[Entry],
        answers: Channel[Answer],
    ) -> None:
        """Stand between `entries` and `answers`, which go back to the source's thread."""
        self._models = models
        self._journal = journal
        self._books = books
        self._entries = entries
        self._answers = answers
        self._aborted = Event()
        self.source_synthetic = False

    def abort(self) -> None:
        """End a wait for disk space."""
        self._aborted.set()

    def run(self, publisher: Publisher, arrived: Wake, beat: Beat) -> None:
        """Work until `entries` is closed and empty; `arrived` is set when there are entries."""
        poller = zmq.Poller()
        poller.register(publisher.socket, zmq.POLLIN)
        poller.register(arrived.fileno(), zmq.POLLIN)
        while True:
            beat()
            wait_s = min(publisher.mark_if_due(), self._books.summaries.seconds_to_next(_now()))
            poller.poll(math.ceil(1000 * min(BEAT_S, max(wait_s, 0.0))))
            arrived.clear()
            publisher.welcome_subscribers()
            try:
                entries = self._entries.take_all()
            except Closed:
                break
            self._commit(entries, publisher, beat)
        self._close_windows(publisher)
        if self._books.checkpointing is not None:
            self._books.checkpointing.finish()
        publisher.mark()
        self._answers.close()

    def _commit(self, entries: list[Entry], publisher: Publisher, beat: Beat) -> None:
        windows: list[tuple[Topic, bytes]] = [
            ("summary", payload)
            for payload in self._books.summaries.due(_now(), self._journal.next_offset)
        ]
        group = _Group(windows, [], [], [])
        for entry in entries:
            self._enter(entry, group, beat)
        records: list[Record] = []
        if group.items:
            records = self._write(group.items, beat)
        for settle in group.settle:
            settle()
        if self._books.narration is not None:  # before who would word them can have seen them
            self._books.narration.written(records)
        publisher.publish(records)
        self._books.newest_summary.published(records)
        self._books.meters.committed(group.ended, _now())
        if group.runs_ended:
            publisher.mark()
        for answer in group.answers:
            self._answers.put(answer)
        if self._books.checkpointing is not None and records:
            self._books.checkpointing.committed()

    def _close_windows(self, publisher: Publisher) -> None:
        """Summarise what a window of a run that stays open has so far: the next process begins another.

        Every fate is on disk by now; a full disk costs these summaries and nothing else.
        """
        items: list[tuple[Topic, bytes]] = [
            ("summary", payload) for payload in self._books.summaries.close_windows(_now())
        ]
        if not items:
            return
        try:
            records = self._journal.append(items)
        except JournalFull as err:
            logger.warning("journal: %s; the last window of %d runs is not kept", err, len(items))
            return
        self._journal.sync()
        if self._books.narration is not None:  # the next process may get words for them
            self._books.narration.written(records)
        publisher.publish(records)

    def _enter(self, entry: Entry, group: _Group, beat: Beat) -> None:
        if isinstance(entry, Passage):
            self._enter_frame(entry, group, beat)
        elif isinstance(entry, RunStarted):
            self._enter_start(entry, group)
        elif isinstance(entry, RunEnded):
            self._enter_end(entry, group, beat)
        elif isinstance(entry, ModelChanged):
            payload = model_changed(entry, source_synthetic=self.source_synthetic)
            group.items.append(("status", payload))
        elif isinstance(entry, SummaryWorded):
            group.items.append(("summary", entry.payload))
        else:
            self._enter_model_closed(entry, group)

    def _enter_start(self, entry: RunStarted, group: _Group) -> None:
        self.source_synthetic |= entry.start.synthetic
        first, resumed = entry.resumed_from, entry.resumed_from is not None
        synthetic = self._models.serving.manifest.synthetic
        if first is None:
            first = self._journal.next_offset + len(group.items)
            payload = run_started(entry, model_synthetic=synthetic)
            group.items.append(("status", payload))
            plain = entry.start.model_dump(mode="json")
            started = self._books.register.started
            group.settle.append(partial(started, plain, first, entry.source))
        self._books.summaries.begin(entry.start.run, first, resumed=resumed)
        told = run_open(entry, model_synthetic=synthetic)
        group.settle.append(partial(self._books.open_runs.opened, first, told))

    def _recall(self, start: Start, beat: Beat) -> None:
        """Read what only the journal knows of a run; all of it that precedes this group is durable."""
        since = self._books.summaries.missing_since(start.run)
        if since is not None:
            self._wait_for_descriptor(beat)
            earlier = _beating(self._journal.read(since), beat)
            self._books.summaries.resume(start, earlier, _now())

    def _wait_for_descriptor(self, beat: Beat) -> None:
        """A run is counted from the journal in one go: not begun while no file can be opened."""
        while not descriptor_is_free():
            beat()
            if self._aborted.wait(_RETRY_S):
                raise Aborted

    def _enter_frame(self, passage: Passage, group: _Group, beat: Beat) -> None:
        start, frame_seq = passage.arrival.start, passage.arrival.frame_seq
        model = self._models.of(passage.model)
        drifting = self._books.drifting
        alarms = [] if drifting is None else drifting.codes(start.run)
        end = end_frame(passage, model, _now(), self._books.health.faults(), alarms)
        if end.fate == "published":
            self._recall(start, beat)
            self._books.summaries.add(start, end.columns, _now(), end.flags, model.identity)
        group.ended.append((passage, end))
        if logger.isEnabledFor(logging.DEBUG):
            subject = about(start.run, start.instrument, frame_seq)
            logger.debug("run %s frame %d: %s", start.run, frame_seq, end.fate, extra=subject)
        group.items.append(("result", end.payload))
        if drifting is not None and end.fate == "published":
            changes = drifting.add(passage, model, end)
            group.items.extend(("status", payload) for payload in changes)
        group.settle.append(
            lambda: self._books.ledger.settle(start.run, frame_seq, end.fate, end.reason, end.cells)
        )
        group.settle.append(partial(self._books.open_runs.heard, start.run))
        if passage.model is not None:
            group.settle.append(partial(self._models.leave, passage.model))
        group.answers.append(
            Ack(run=start.run, frame_seq=frame_seq, fate=end.fate, reason=end.reason)
        )

    def _enter_model_closed(self, entry: ModelClosed, group: _Group) -> None:
        """Summarise what a model saw, unless the one that serves is the same on another engine."""
        identity = entry.model.identity
        if all(identity.sha256 != live.sha256 for live in self._models.live):
            told = self._books.summaries.model_closed(identity, _now())
            group.items.extend(("summary", payload) for payload in told)

    def _enter_end(self, entry: RunEnded, group: _Group, beat: Beat) -> None:
        self._recall(entry.start, beat)
        ledger = self._books.ledger.run(entry.start.run)
        summaries = self._books.summaries.end(entry.start, _now(), ledger)
        group.items.extend(("summary", payload) for payload in summaries)
        self._end_drift(entry.start, group)
        synthetic = self._models.serving.manifest.synthetic
        payload = run_ended(entry, ledger, model_synthetic=synthetic)
        offset = self._journal.next_offset + len(group.items)
        group.items.append(("status", payload))
        group.settle.append(partial(self._books.register.ended, entry.start.run, offset, ledger))
        group.settle.append(partial(self._books.open_runs.ended, entry.start.run))
        group.answers.append(Report(run=entry.start.run, ledger=ledger))
        group.runs_ended = True

    def _end_drift(self, start: Start, group: _Group) -> None:
        """Tell what the run's frames add up to, before its end: a later one is compared with it."""
        drifting = self._books.drifting
        if drifting is None:
            return
        told = drifting.end(start)
        if told is not None:
            group.items.append(("status", told[0]))
        kept = None if told is None else told[1]
        group.settle.append(partial(drifting.ended, start, kept))

    def _write(self, items: list[tuple[Topic, bytes]], beat: Beat) -> list[Record]:
        """Append and sync; a disk that fails ends the daemon.

        After a failed fdatasync nothing tells which pages are on disk, and the next one may succeed without them: no
        second try would mean anything. Nothing of it was acknowledged.
        """
        try:
            records = self._append(items, beat)
            began_s = _now()
            self._journal.sync()
            took_s = _now() - began_s
        except OSError as err:
            logger.critical(
                "journal: %s: the disk failed; nothing since the last acknowledgement is promised, sources will send "
                "it again; look at the disk before the next start",
                err,
            )
            raise
        size = sum(len(record.payload) for record in records)
        self._books.meters.synced(len(records), size, took_s)
        return records

    def _append(self, items: list[tuple[Topic, bytes]], beat: Beat) -> list[Record]:
        while True:
            try:
                records = self._journal.append(items)
            except JournalFull as err:
                if self._books.health.degrade(_FULL, str(err)):
                    logger.error("journal: %s; nothing is acknowledged until there is space", err)
                beat()
                if self._aborted.wait(_RETRY_S):
                    raise Aborted from err
            else:
                if self._books.health.recover(_FULL):
                    logger.warning("journal: there is space again")
                return records


def _beating(records: Iterator[Record], beat: Beat) -> Iterator[Record]:
    """The same records; reading a long journal is no stall."""
    for record in records:
        beat()
        yield record


def _now() -> float:
    return time.monotonic()
