"""A run's cells counted again from its results: for what a summary's facts do not hold, such as a reference.

As the daemon does, cells of two models are kept apart; what is told is of the model that saw the newest frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from phenostream.daemon.client.records import Record
from phenostream.daemon.pipeline.records import flags_of
from phenostream.daemon.run_statistics import frame_account
from phenostream.deploy.told import Told
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.comparing import with_comparisons
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import Facts, FrameAccount
from phenostream.engine.summary.reference import LONGEST_NAME, Reference
from phenostream.engine.summary.window import WindowStatistics


@dataclass(slots=True)
class Recount:
    """What the models saw of a run.

    Attributes:
        run: Its id.
        instrument: Of its frames.
        parts: By the model's sha256; the newest one's frames were met in the first stretch that was read.
        newest: Of the model that saw the newest frames; empty without any.
        account: What became of the run's frames; None while it is open.
        begun: The record that opened the run was met: nothing older is of it.
    """

    run: str
    instrument: str = ""
    parts: dict[str, WindowStatistics] = field(default_factory=dict)
    newest: str = ""
    account: FrameAccount | None = None
    begun: bool = False

    @property
    def statistics(self) -> WindowStatistics:
        """Of the newest model's cells."""
        return self.parts[self.newest]

    @property
    def whole(self) -> bool:
        """The run has ended, and all that was published of it is counted."""
        return self.account is not None and self.lacking is None

    @property
    def lacking(self) -> str | None:
        """What could not be counted, for it is not held any more; None where it is all there."""
        if self.account is None:
            return None if self.begun else "its beginning is not held any more"
        lost = self.account.published - sum(part.tally.frames for part in self.parts.values())
        return f"{lost} of {self.account.published} published frames are not held" if lost else None

    def facts(self, reference: Reference | None = None) -> Facts:
        """As the daemon has them when the run ends; of a part of the run where it goes on, or not all of it is held.

        What became of the run's frames is told of the whole run alone: a part has other frames than the account.

        Args:
            reference: Told against this population.
        """
        others = sum(part.tally.frames for name, part in self.parts.items() if name != self.newest)
        facts = replace(
            self.statistics.facts(),
            account=self.account if self.whole else None,
            by_other_models=others,
            scope="run" if self.whole else "part",
            run=self.run,
            instrument=self.instrument,
            model_sha256=self.newest,
        )
        baselines = [] if reference is None else [reference.baseline()]
        return with_comparisons(facts, self.statistics, baselines)

    def reference(self, name: str) -> Reference:
        """The population to be kept, under a name of 1 to 64 characters.

        Raises:
            BadInput: The name is none.
        """
        if not 1 <= len(name) <= LONGEST_NAME:
            raise BadInput(f"reference {name[:80]!r}: allowed a name of 1 to {LONGEST_NAME}")
        return Reference(name, self.newest, self.statistics)


def recount(told: Told, run: str) -> Recount:
    """Count every published cell of one run that is still held.

    Args:
        told: The results.
        run: Its id.

    Raises:
        BadInput: None of its frames was published, or its results are too old to say how their markers are scaled.
    """
    counted = Recount(run)
    for stretch in told.stretches("result", "status"):
        of_run = (record for record in stretch if record.facts.get("run") == run)
        last = _count(counted, of_run)
        counted.newest = counted.newest or last
        if counted.begun:
            break
    if not counted.newest:
        raise BadInput(f"run {run}: no published frame of it is held")
    return counted


def _count(counted: Recount, records: Iterator[Record]) -> str:
    """Take a stretch's records of the run; the model of the last frame among them, or nothing."""
    last = ""
    for record in records:
        try:
            last = _take(counted, record) or last
        except (BadInput, KeyError, TypeError, ValueError, IndexError) as err:
            reason = str(err) if isinstance(err, BadInput) else f"{type(err).__name__} {err}"
            raise BadInput(
                f"run {counted.run}: offset {record.offset}: not a result to count: {reason[:200]}"
            ) from err
    return last


def _take(counted: Recount, record: Record) -> str:
    """Take one record; the sha256 of the model that saw the frame, if it is a published one."""
    facts = record.facts
    if record.topic == "status":
        counted.begun |= facts.get("event") == "run_started"
        if facts.get("event") == "run_ended":
            counted.account = frame_account(facts["ledger"])
    elif facts.get("fate") == "published":
        return _take_frame(counted, record)
    return ""


def _take_frame(counted: Recount, record: Record) -> str:
    meta = record.facts
    if "marker_transform" not in meta["model"]:
        raise BadInput("of an earlier version, which does not say how markers are scaled")
    sha256 = str(meta["model"]["sha256"])
    part = counted.parts.get(sha256)
    if part is None:
        part = counted.parts[sha256] = WindowStatistics(SummaryContext.of_result(meta))
    counted.instrument = str(meta.get("instrument"))
    columns = {name: column.values for name, column in record.frame.columns.items()}
    part.add(columns, flags_of(meta["flags"]))
    return sha256
