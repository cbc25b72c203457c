"""What the journal says about earlier processes: every frame's fate, every run that began, every run that ended.

The record that opened a run may be lost or removed. What became of its frames is remembered all the same, so that none
is taken twice; the run itself begins anew when its source sends START again.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from phenostream.daemon.drift_history import RUN_DRIFT, DriftHistory
from phenostream.daemon.journal.checkpoint import checkpoints, fits, has_checkpoints
from phenostream.daemon.journal.inspection import REMEDY
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.narration import MOST_KEPT, Remembered
from phenostream.daemon.register import Register
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.daemon.wire.ingest import Report, Start
from phenostream.engine.errors import BadMessage, BadRecording

logger = logging.getLogger(__name__)

_SUMMARIES_KEPT: Final = 2 * MOST_KEPT
"""Each may be there twice: as the template wrote it, and worded."""


class CountedBefore(NamedTuple):
    """What an earlier process had counted of a run for its summary; see `Counted`.

    Attributes:
        sha256: Of the model; None in a checkpoint of a version that swapped none: of the configured one.
    """

    run: str
    since: int
    tally: bytes
    sha256: str | None = None
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a daemon goes on with.

    Attributes:
        checkpoint: Offset up to which a checkpoint told; None: the whole journal was read.
        narrated: What the checkpoint told of earlier summaries.
        summaries: The newest of them that were read, oldest first.
        drift: The runs that have ended, to compare later ones with.
        unknown: One line where records were removed and no checkpoint tells of them: their frames, sent again, would be
            recorded again.
    """

    journal: Journal
    ledger: Ledger
    runs: RunBook
    register: Register
    counted: list[CountedBefore]
    narrated: Remembered
    summaries: list[Record]
    drift: DriftHistory
    checkpoint: int | None
    unknown: str | None


def recover(
    directory: Path,
    segment_bytes: int,
    max_open: int,
    on_record: Callable[[], None] = lambda: None,
) -> Recovered:
    """Open a journal from its newest checkpoint that can be used, or by reading all of it.

    Args:
        directory: Of the journal; the caller holds its lock.
        segment_bytes: See `Journal`.
        max_open: Runs that may be open at once.
        on_record: Called before each record that is read: a long journal takes its time.

    Raises:
        BadRecording: See `Journal` and `Recovery.replay`.
        OSError: See `Journal`.
    """
    for checkpoint in (*checkpoints(directory), None):
        ledger = Ledger()
        runs = RunBook(max_open, ledger.in_flight)
        recovery = Recovery(ledger, runs)
        if checkpoint is not None:
            try:
                recovery.begin_at(checkpoint.state)
            except ValueError as err:
                logger.warning("journal: checkpoint at offset %d: %s", checkpoint.end, err)
                continue
            if not fits(directory, checkpoint):
                logger.warning(
                    "journal: the checkpoint at offset %d is of other files", checkpoint.end
                )
                continue

        def replay(record: Record, into: Recovery = recovery) -> None:
            on_record()
            into.replay(record)

        journal = Journal(directory, segment_bytes, replay, checkpoint)
        break
    end = checkpoint.end if checkpoint is not None else None
    unknown = None
    if journal.oldest > (end or 0):
        unknown = (
            f"no checkpoint tells of the records {end or 0} to {journal.oldest - 1}, which are not held any more: "
            "frames of theirs that are sent again are recorded again"
        )
        logger.error("journal: %s", unknown)
    elif end is None and has_checkpoints(directory):
        logger.warning("journal: no checkpoint can be used; all of it was read")
    return Recovered(
        journal,
        ledger,
        runs,
        recovery.register,
        recovery.counted,
        recovery.narrated,
        list(recovery.summaries),
        recovery.drift,
        end,
        unknown,
    )


class Recovery:
    """Feeds the books with one record after the other, or with what a checkpoint says of all before it.

    Attributes:
        register: The runs on disk.
        counted: What had been counted for the summaries.
        narrated: Which summaries could be worded, and which were.
        summaries: The newest that were fed, as they are: nothing but their wording depends on them.
        drift: What ended runs added up to.
    """

    def __init__(self, ledger: Ledger, runs: RunBook) -> None:
        """Both are empty."""
        self.register = Register()
        self.counted: list[CountedBefore] = []
        self.narrated = Remembered()
        self.summaries: deque[Record] = deque(maxlen=_SUMMARIES_KEPT)
        self.drift = DriftHistory()
        self._ledger = ledger
        self._runs = runs

    def begin_at(self, state: dict[str, Any]) -> None:
        """Take over the `state` of a checkpoint.

        Raises:
            ValueError: It is none of this version; ledger and runs must not be used.
        """
        try:
            self.register = Register.restored(state["register"])
            self._ledger.restore(state["ledger"], self.register.sums)
            for known in self.register.runs.values():
                if known.start is not None:
                    self._open(known.start, known.first_offset, known.source)
            for run in self.register.in_order_of_end():
                self._end(run, self.register.runs[run].ledger or {})
            self._runs.restore_forgotten(self.register.forgotten)
            self.counted = [_counted(*row) for row in state["summaries"]]
            self.drift = DriftHistory.restored(state.get("drift", ()))
            self.narrated = _narrated(*state.get("narration", ((), ())))
        except (ValidationError, KeyError, TypeError, AttributeError) as err:
            raise ValueError(f"{type(err).__name__}: {str(err).splitlines()[0]}") from err

    def replay(self, record: Record) -> None:
        """Take one record into account.

        Raises:
            BadRecording: A whole record that this version cannot read.
        """
        if record.topic == "summary":
            self.summaries.append(record)
            return
        try:
            payload = unpack_meta(record.payload)
            if record.topic == "result":
                self._result(payload)
            else:
                self._status(payload, record.offset)
        except (BadMessage, ValidationError, KeyError, TypeError, ValueError) as err:
            raise BadRecording(
                f"journal offset {record.offset}: not a {record.topic} of this version "
                f"({type(err).__name__}: {str(err).splitlines()[0]}); {REMEDY}"
            ) from err

    def _result(self, payload: dict[str, Any]) -> None:
        self._ledger.open(payload["run"], None)
        self._ledger.settle(
            payload["run"],
            payload["frame_seq"],
            payload["fate"],
            payload["reason"],
            payload["counts"],
        )

    def _status(self, payload: dict[str, Any], offset: int) -> None:
        if payload["event"] == "run_started":
            self.register.started(payload["start"], offset, payload.get("source"))
            self._open(payload["start"], offset, payload.get("source"))
        elif payload["event"] == "run_ended":
            self.register.ended(payload["run"], offset, payload["ledger"])
            self._end(payload["run"], payload["ledger"])
        elif payload["event"] == RUN_DRIFT:
            self.drift.take(payload)

    def _open(self, plain: dict[str, Any], offset: int, source: str | None) -> None:
        start = Start.model_validate(plain, strict=False)
        self._runs.restore(start, offset, source)
        self._ledger.open(start.run, start.n_expected)

    def _end(self, run: str, ledger: dict[str, int]) -> None:
        self._ledger.open(run, None)
        self._ledger.restore_end(run, ledger)
        for gone in self._runs.reported(Report(run=run, ledger=ledger)):
            self._ledger.forget(gone)


def _counted(
    run: object, since: Any, tally: Any, sha256: object = None, elsewhere: Any = 0
) -> CountedBefore:
    known = None if sha256 is None else str(sha256)
    return CountedBefore(str(run), int(since), bytes(tally), known, int(elsewhere))


def _narrated(templates: Any, worded: Any) -> Remembered:
    """Of a checkpoint; one of an earlier version has nothing of it."""
    return Remembered(tuple(map(int, templates))[-MOST_KEPT:], tuple(map(int, worded)))
