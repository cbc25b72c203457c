"""The facts of one window of frames: every number a summary may state, and nothing else.

Frozen values with units in their names; a reporter (template or language model) receives these and may not compute.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

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
    """

    name: str
    median: float
    lower_quartile: float
    upper_quartile: float
    cell_low: float | None
    cell_high: float | None


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

    announced: int
    published: int
    dropped: int
    quarantined: int
    failed: int
    missing: int


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

    frames: int = 0
    dark: int = 0
    saturated: int = 0
    noisy: int = 0
    undersampled: int = 0
    residual_high: int = 0
    misoriented: int = 0


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

    name: str
    count: int
    share: float
    share_low: float
    share_high: float
    mean_confidence: float | None
    markers: tuple[MarkerFacts, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """One window; found = classified + edge + rejected + over_limit + failed.

    Attributes:
        frames: Frames merged into the window.
        rejected_share: Of classified + rejected; 0 where there are none.
        mean_confidence: Mean probability of the predicted class; None without classified cells.
        unusual: Classified cells whose out-of-distribution score exceeds the threshold; None where the model has none.
        unusual_share: Of the classified cells.
        classes: In the manifest's order.
        marker_unit: Of every marker value.
        interval_coverage: Nominal coverage of a cell's interval; None where the model gives no interval.
        account: Of a whole run; None for a window.
        calibrated: Probabilities and intervals were calibrated.
        synthetic: The model was trained on simulated cells, or the cells are simulated.
        model_synthetic: The former.
        source_synthetic: The latter.
        model: Name and version.
        flagged: Of the frames.
        failed: Cells for which the engine gave no numbers.
        rejects: The model can tell other objects from white cells.
        by_other_models: Frames of the run that another model saw: nothing of them is in these facts. 0 for a window.
    """

    frames: int
    found: int
    classified: int
    edge: int
    rejected: int
    over_limit: int
    rejected_share: float
    mean_confidence: float | None
    unusual: int | None
    unusual_share: float | None
    classes: tuple[ClassFacts, ...]
    marker_unit: str
    interval_coverage: float | None
    calibrated: bool
    synthetic: bool
    model_synthetic: bool
    source_synthetic: bool
    model: str
    account: FrameAccount | None = None
    flagged: FlaggedFrames = NONE_FLAGGED
    rejects: bool = True
    failed: int = 0
    by_other_models: int = 0

    @property
    def majority(self) -> ClassFacts | None:
        """The class that holds more than half of the classified cells, if any."""
        return next((one for one in self.classes if 2 * one.count > self.classified), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON or msgpack."""
        return asdict(self)


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
