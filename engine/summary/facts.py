"""The facts of one window of frames: every number a summary may state, and nothing else.

Frozen values with units in their names; a reporter (template or language model) receives these and may not compute.
They go to other processes as plain values (`Facts.as_dict`) and are checked where they come back (`Facts.from_dict`).
"""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from phenostream.engine.errors import BadMessage
from phenostream.engine.summary.changes import Against, Comparison
from phenostream.engine.summary.consistency import contradiction
from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.quantities import (
    MOST_CLASSES,
    MOST_COMPARISONS,
    MOST_MARKERS,
    Count,
    Flag,
    Name,
    Percentile,
    Real,
    Scope,
    Seconds,
    Share,
    first_fault,
)

INTERVAL_COVERAGE: Final = 0.95
"""Of the intervals of shares (Wilson); cells are taken as independent."""
_NORMAL_QUANTILE: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class MarkerFacts:
    """One (pooled) marker over the classified cells of one class.

    Attributes:
        name: As in the manifest; proteins of a pool are joined by ``/``.
        median: Of the estimates, in the marker unit.
        lower_quartile: Likewise; the spread between cells, not the uncertainty of one.
        upper_quartile: Likewise.
        cell_low: Lower end of the interval of one cell whose estimate is the median; None where the model has none.
        cell_high: Upper end.
        run_percentile: Where the median stands among the same class's cells of the run before this window, 0 to 100; a
            half counts for each cell at the median. None where there are fewer of them than a percentile needs.
        reference_percentile: Likewise among those of the saved reference.
    """

    name: Name
    median: Real
    lower_quartile: Real
    upper_quartile: Real
    cell_low: Real | None
    cell_high: Real | None
    run_percentile: Percentile | None = None
    reference_percentile: Percentile | None = None

    @property
    def proteins(self) -> tuple[str, ...]:
        """What the one number is of; several of a pool, which cannot be told apart."""
        return tuple(self.name.split("/"))

    @property
    def pooled(self) -> bool:
        """The number is of several proteins together."""
        return len(self.proteins) > 1


@dataclass(frozen=True, slots=True)
class FrameAccount:
    """What became of a run's frames, from its ledger.

    Attributes:
        announced: Frames the source said there were.
        published: Of these; the cells of a summary are theirs.
        dropped: Not published on purpose.
        quarantined: Broke their contract.
        failed: Lost to a fault of ours.
        missing: Never came.
    """

    announced: Count
    published: Count
    dropped: Count
    quarantined: Count
    failed: Count
    missing: Count


@dataclass(frozen=True, slots=True)
class FlaggedFrames:
    """Frames that a physics check speaks against (see `FrameFlags`); their cells are counted like any other's.

    Attributes:
        frames: With one flag or more.
        dark: With this one.
        saturated: Likewise.
        noisy: Likewise.
        undersampled: Likewise.
        residual_high: Likewise.
        misoriented: Likewise.
    """

    frames: Count = 0
    dark: Count = 0
    saturated: Count = 0
    noisy: Count = 0
    undersampled: Count = 0
    residual_high: Count = 0
    misoriented: Count = 0


NONE_FLAGGED: Final = FlaggedFrames()


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """One class of the classified cells.

    Attributes:
        name: Singular, as in the manifest.
        count: Cells.
        share: Of the classified cells; 0 where there are none.
        share_low: Lower end of its 95 % Wilson interval.
        share_high: Upper end.
        mean_confidence: Mean probability of this class over its cells; None without cells.
        markers: One per marker; empty without cells.
    """

    name: Name
    count: Count
    share: Share
    share_low: Share
    share_high: Share
    mean_confidence: Share | None
    markers: Annotated[tuple[MarkerFacts, ...], Field(max_length=MOST_MARKERS)]


@dataclass(frozen=True, slots=True)
class Facts:
    """One window, or a run; found = classified + edge + rejected + over_limit + failed.

    Attributes:
        frames: Frames merged into the window.
        rejected_share: Of classified + rejected; 0 where there are none.
        mean_confidence: Mean probability of the predicted class; None without classified cells.
        unusual: Classified cells whose out-of-distribution score exceeds the threshold; None where the model has none.
        unusual_share: Of the classified cells; 0 where there are none.
        classes: In the manifest's order.
        marker_unit: Of every marker value.
        interval_coverage: Nominal coverage of a cell's interval; None where the model gives no interval.
        calibrated: Probabilities and intervals were calibrated.
        synthetic: The model was trained on simulated cells, or the cells are simulated.
        model_synthetic: The former.
        source_synthetic: The latter.
        model: Name and version.
        account: Of a whole run; None for a window.
        flagged: Of the frames.
        failed: Cells for which the engine gave no numbers.
        rejects: The model can tell other objects from white cells.
        by_other_models: Frames of the run that another model saw: nothing of them is in these facts. 0 for a window.
        rejected_low: Lower end of the 95 % Wilson interval of `rejected_share`.
        rejected_high: Upper end.
        unusual_low: Likewise of `unusual_share`; None where that is None.
        unusual_high: Upper end.
        scope: Whether they are of a window, of a whole run, or of one model's part of one.
        run: Id of the run; empty where it is of none.
        instrument: Name of the microscope, as it calls itself.
        model_sha256: Identity of the model's bundle; empty where that is not known.
        duration_s: From the first frame to the end of the window; None where that is not known.
        comparisons: Against the window before, and against a saved reference; empty where there is nothing to compare.
        drift: What the watch for drift found of the run so far; empty where it compared nothing.
    """

    frames: Count
    found: Count
    classified: Count
    edge: Count
    rejected: Count
    over_limit: Count
    rejected_share: Share
    mean_confidence: Share | None
    unusual: Count | None
    unusual_share: Share | None
    classes: Annotated[tuple[ClassFacts, ...], Field(max_length=MOST_CLASSES)]
    marker_unit: Name
    interval_coverage: Share | None
    calibrated: Flag
    synthetic: Flag
    model_synthetic: Flag
    source_synthetic: Flag
    model: Name
    account: FrameAccount | None = None
    flagged: FlaggedFrames = NONE_FLAGGED
    rejects: Flag = True
    failed: Count = 0
    by_other_models: Count = 0
    rejected_low: Share = 0.0
    rejected_high: Share = 1.0
    unusual_low: Share | None = None
    unusual_high: Share | None = None
    scope: Scope = "window"
    run: Name = ""
    instrument: Name = ""
    model_sha256: Name = ""
    duration_s: Seconds | None = None
    comparisons: Annotated[tuple[Comparison, ...], Field(max_length=MOST_COMPARISONS)] = ()
    drift: Annotated[tuple[DriftFacts, ...], Field(max_length=MOST_COMPARISONS)] = ()

    @property
    def majority(self) -> ClassFacts | None:
        """The class that holds more than half of the classified cells, if any."""
        return next((one for one in self.classes if 2 * one.count > self.classified), None)

    def comparison(self, against: Against) -> Comparison | None:
        """The one against the window before, or against the reference; None where there is none."""
        return next((one for one in self.comparisons if one.against == against), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON or msgpack."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: object) -> "Facts":
        """The facts that `as_dict` told, from whoever sent them; unknown keys are stepped over.

        Raises:
            BadMessage: A key is missing, a value is of another kind or out of its range, or two values contradict each
                other.
        """
        try:
            facts: Facts = _reader().validate_python(plain)
        except ValidationError as err:
            raise BadMessage(f"facts: {first_fault(err)}") from err
        if (fault := contradiction(facts)) is not None:
            raise BadMessage(f"facts: {fault}")
        return facts


@cache
def _reader() -> TypeAdapter[Any]:
    """Made when facts are read for the first time."""
    return TypeAdapter(Facts)


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); (0, 1) of nothing."""
    if total == 0:
        return 0.0, 1.0
    z2 = _NORMAL_QUANTILE**2
    share = count / total
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    variance = share * (1 - share) / total + z2 / (4 * total**2)
    half = _NORMAL_QUANTILE / (1 + z2 / total) * variance**0.5
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))
