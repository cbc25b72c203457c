"""Scores a run against the truth: cells found and invented, centres, classes, and the ledger.

Which found cell is which true one: `matching`. A class counts for every matched white cell with a known class whose
crop lies inside the frame; rejected and over-limit cells count as wrong.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.deploy.bench.matching import NEUTRAL, match_frame
from phenostream.deploy.bench.results import (
    FrameCells,
    RunResults,
    ledger_faults,
    read_results,
)
from phenostream.deploy.bench.truth import Truth, TruthFrame, read_truth
from phenostream.engine.errors import BadInput
from phenostream.engine.postprocess import CLASSIFIED, EDGE, STATUSES
from phenostream.engine.types import CLASSES, REDUCED_PIXEL_UM

LEAST_RECALL: Final = 0.97
LEAST_PRECISION: Final = 0.97
MOST_CENTRE_ERROR_PX: Final = 1.0
LEAST_CLASS_ACCURACY: Final = 0.90


@dataclass(frozen=True, slots=True)
class KindScore:
    """What became of the true cells of one kind.

    Attributes:
        cells: True cells.
        found: Of these.
        called: How the found ones were called: a class name, ``rejected``, ``edge``, ``over_limit`` or
            ``failed``.
    """

    cells: int
    found: int
    called: dict[str, int]


@dataclass(frozen=True, slots=True)
class DetectScore:
    """The score of one run.

    Attributes:
        frames: Frames of the truth.
        frames_without_result: Of these, not published.
        cells: White and red cells of the truth.
        found: Cells the run reported.
        matched: Pairs of a true and a found cell.
        invented: Found cells that match neither a cell nor debris.
        recall: matched / cells; None without cells.
        precision: matched / (matched + invented); None where nothing counts as found.
        centre_error_px: Median distance of matched pairs, pixels of the reduced frame; None without pairs.
        centre_error_p95_px: Their 95th percentile.
        class_cells: Matched white cells of known class, not at the edge.
        class_accuracy: Correct share of these; None without any.
        kinds: Table per true kind.
        ledger_faults: What is wrong with the ledger; empty when it is exact or absent.
        ledger_seen: Whether the results held the run's end.
        synthetic: The truth is of simulated cells.
    """

    frames: int
    frames_without_result: int
    cells: int
    found: int
    matched: int
    invented: int
    recall: float | None
    precision: float | None
    centre_error_px: float | None
    centre_error_p95_px: float | None
    class_cells: int
    class_accuracy: float | None
    kinds: dict[str, KindScore]
    ledger_faults: tuple[str, ...]
    ledger_seen: bool
    synthetic: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def shortfalls(self) -> list[str]:
        """What misses its mark, one line each; empty for a good run. An absent figure misses nothing."""
        least = [
            ("recall", self.recall, LEAST_RECALL),
            ("precision", self.precision, LEAST_PRECISION),
            ("class accuracy", self.class_accuracy, LEAST_CLASS_ACCURACY),
        ]
        lines = [f"{what} {value:.3f}: at least {mark}" for what, value, mark in least
                 if value is not None and value < mark]  # fmt: skip
        if self.centre_error_px is not None and self.centre_error_px > MOST_CENTRE_ERROR_PX:
            lines.append(
                f"centre error {self.centre_error_px:.2f} px: at most {MOST_CENTRE_ERROR_PX}"
            )
        if self.frames_without_result:
            lines.append(f"frames without a result: {self.frames_without_result} of {self.frames}")
        if not self.ledger_seen:
            lines.append("ledger: the results do not hold the run's end")
        return lines + [f"ledger: {fault}" for fault in self.ledger_faults]


def score(truth: Path, results: Path, run: str | None = None) -> DetectScore:
    """Score a results file of `watch --json` against a truth file.

    Raises:
        BadInput: Either cannot be read.
    """
    return score_run(read_truth(truth), read_results(results, run))


def score_run(truth: Truth, results: RunResults) -> DetectScore:
    """Score one run that is already read."""
    pixel_um = truth.pixel_size_um
    tally = _Tally()
    for frame in truth.frames:
        if frame.frame_seq in results.frames:
            tally.add(frame, results.frames[frame.frame_seq], pixel_um)
        else:
            tally.add_unseen(frame)
    unknown = set(results.frames) - {frame.frame_seq for frame in truth.frames}
    if unknown:
        raise BadInput(f"results of frame {min(unknown)}: not in the truth")
    distances = np.array(tally.distances_px) * pixel_um / REDUCED_PIXEL_UM
    counted = tally.matched + tally.invented
    cells = sum(n for kind, n in tally.cells.items() if kind != NEUTRAL)
    return DetectScore(
        frames=len(truth.frames),
        frames_without_result=tally.unseen,
        cells=cells,
        found=sum(len(frame.y_px) for frame in results.frames.values()),
        matched=tally.matched,
        invented=tally.invented,
        recall=tally.matched / cells if cells else None,
        precision=tally.matched / counted if counted else None,
        centre_error_px=float(np.median(distances)) if len(distances) else None,
        centre_error_p95_px=float(np.percentile(distances, 95)) if len(distances) else None,
        class_cells=tally.class_cells,
        class_accuracy=tally.class_correct / tally.class_cells if tally.class_cells else None,
        kinds=tally.kinds(),
        ledger_faults=ledger_faults(results),
        ledger_seen=results.ledger is not None,
        synthetic=truth.synthetic,
    )


class _Tally:
    """Sums over frames."""

    def __init__(self) -> None:
        self.cells: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.called: dict[str, Counter[str]] = {}
        self.distances_px: list[float] = []
        self.matched = self.invented = self.unseen = 0
        self.class_cells = self.class_correct = 0

    def add_unseen(self, frame: TruthFrame) -> None:
        self.unseen += 1
        self.cells.update(frame.kind)

    def add(self, frame: TruthFrame, found: FrameCells, pixel_um: float) -> None:
        self.cells.update(frame.kind)
        match = match_frame(frame, found.y_px, found.x_px, pixel_um)
        self.found[NEUTRAL] += match.debris_found
        self.invented += match.invented
        self.matched += len(match.pairs)
        for i, true, apart in match.pairs:
            self.distances_px.append(apart)
            self._classify(frame.kind[true], frame.edge[true], int(found.status[i]), found.kind[i])

    def _classify(self, kind: str, edge: bool, status: int, called: Any) -> None:
        known = 0 <= called < len(CLASSES)
        name = CLASSES[called] if status == CLASSIFIED and known else STATUSES[status]
        self.found[kind] += 1
        self.called.setdefault(kind, Counter())[name] += 1
        if kind in CLASSES and not edge and status != EDGE:
            self.class_cells += 1
            self.class_correct += name == kind

    def kinds(self) -> dict[str, KindScore]:
        return {
            kind: KindScore(n, self.found[kind], dict(self.called.get(kind, {})))
            for kind, n in sorted(self.cells.items())
        }
