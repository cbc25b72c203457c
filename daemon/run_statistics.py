"""What the models saw of a run, kept apart, and its words.

Knows no journal and no clock; `SummaryBook` decides what is counted, told and let go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from phenostream.daemon.model import Identity
from phenostream.daemon.pipeline.records import Wording, summary
from phenostream.daemon.telling import Telling
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.summary.comparing import Baseline, with_comparisons
from phenostream.engine.summary.facts import Facts, FrameAccount
from phenostream.engine.summary.quantities import Scope
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.window import Tally, WindowStatistics


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is summarised.

    Attributes:
        duration_s: Since its first frame.
        account: Of a whole run.
    """

    scope: Scope
    duration_s: float
    account: FrameAccount | None = None


@dataclass(slots=True)
class Part:
    """What one model saw of one run.

    Attributes:
        whole: Without the window.
        before: The window before this one, where this process saw it.
        closed: That model will see no more of it.
    """

    by: Identity
    whole: WindowStatistics
    window: WindowStatistics
    before: WindowStatistics | None = None
    window_began_s: float | None = None
    closed: bool = False

    @property
    def frames(self) -> int:
        """All of them."""
        return self.whole.tally.frames + self.window.tally.frames


@dataclass(slots=True)
class RunStatistics:
    """One run.

    Attributes:
        parts: By the model's sha256, in the order of their last frames.
        elsewhere: Frames that models saw which are closed, or were another process's.
    """

    start: Start
    began_s: float
    parts: dict[str, Part] = field(default_factory=dict)
    elsewhere: int = 0

    @property
    def superseded(self) -> list[Part]:
        """Parts that are closed, behind which another model has seen frames."""
        before = list(self.parts.values())[:-1] if len(self.parts) > 1 else []
        return [part for part in before if part.closed]


@dataclass(slots=True)
class Origin:
    """Where the journal begins to tell of a run, and whether only the journal knows its cells.

    Attributes:
        first_offset: Of the first record that is not in `earlier`.
        earlier: The cells of the records before, by the model's sha256, as bytes of a tally.
        elsewhere: Of those records, see `RunStatistics`.
    """

    first_offset: int
    only_in_journal: bool
    began_s: float | None = None
    earlier: dict[str, bytes] = field(default_factory=dict)
    elsewhere: int = 0


class Counted(NamedTuple):
    """What was counted of one model's part of a run.

    Attributes:
        since: Offset from which on nothing is in it.
        tally: `Tally.as_bytes` may be called elsewhere.
        elsewhere: Frames of the run that models saw which are closed; told with one of its parts.
    """

    run: str
    since: int
    tally: bytes | Tally
    sha256: str
    elsewhere: int


def frame_account(ledger: Mapping[str, int]) -> FrameAccount:
    """The part of a run's ledger that a summary tells."""
    return FrameAccount(
        announced=ledger.get("announced", ledger["received"]),
        published=ledger["published"],
        dropped=ledger["dropped"],
        quarantined=ledger["quarantined"],
        failed=ledger["failed"],
        missing=ledger["missing"],
    )


def written(run: RunStatistics, part: Part, occasion: Occasion, telling: Telling) -> bytes:
    """One summary record, in the template's words."""
    facts = _facts(run, part, occasion, telling)
    text = write_summary(facts, telling.style, telling.language)
    wording = Wording(text, telling.style, telling.language)
    return summary(run.start, occasion.scope, wording, facts.as_dict())


def _facts(run: RunStatistics, part: Part, occasion: Occasion, telling: Telling) -> Facts:
    """Those of a window say nothing of other models, whose frames lie in windows of their own."""
    window = occasion.scope == "window"
    statistics = part.window if window else part.whole
    others = sum(other.frames for other in run.parts.values() if other is not part)
    facts = replace(
        statistics.facts(),
        account=occasion.account,
        by_other_models=0 if window else run.elsewhere + others,
        scope=occasion.scope,
        run=run.start.run,
        instrument=run.start.instrument,
        model_sha256=part.by.sha256,
        duration_s=round(occasion.duration_s, 3),
        drift=telling.drift(run.start.run, occasion.scope),
    )
    baselines = []
    if window and part.before is not None:
        baselines.append(Baseline("previous", part.before, model_sha256=part.by.sha256))
    if telling.reference is not None:
        baselines.append(telling.reference.baseline())
    return with_comparisons(facts, statistics, baselines, part.whole.tally if window else None)
