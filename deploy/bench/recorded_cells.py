"""Scores the detector on a recording whose cells are known: reduction and detection alone, with no model and no daemon.

For recordings that come with a truth file: what `simulate --truth` wrote, or real cells composed into frames. Cells
that the frame's border cuts count like the others. Intervals are bootstrapped over frames; with fewer than five that
hold cells there is none.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from phenostream.daemon.recordings.frames import RecordedFrames, WholeFrame
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.bench.matching import NEUTRAL, FrameMatch, match_frame
from phenostream.deploy.bench.rates import rate
from phenostream.deploy.bench.truth import Truth, TruthFrame, read_truth
from phenostream.engine.detect import Detector
from phenostream.engine.errors import BadInput
from phenostream.engine.reduce import Reducer, full_from_reduced
from phenostream.engine.types import REDUCED_PIXEL_UM
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.schema.figure import Closed, Figure


class KindFound(Closed):
    """Cells of one kind: how many there are, and how many of them were found."""

    cells: int
    found: int


class RecordedScore(Closed):
    """The score of one recording.

    Attributes:
        frames: That were scored.
        cells: White and red cells of the truth in them.
        matched: Of these, found.
        invented: Finds that are neither a cell nor debris.
        recall: matched / cells; None without cells.
        precision: matched / (matched + invented); None where nothing counts as found.
        invented_per_frame: Mean.
        centre_error_px: Median distance of matched pairs, pixels of the reduced frame; None without pairs.
        kinds: By true kind.
        ms_per_frame: Median time of reduction and detection.
        synthetic: The truth is of simulated cells.
        source: What the truth says it is of.
    """

    frames: int
    cells: int
    matched: int
    invented: int
    recall: Figure | None
    precision: Figure | None
    invented_per_frame: Figure | None
    centre_error_px: float | None
    kinds: dict[str, KindFound]
    ms_per_frame: float
    synthetic: bool
    source: str


def score_recording(recording: Path, truth: Path) -> RecordedScore:
    """Score every whole frame of a recording.

    Args:
        recording: Of one run.
        truth: Of that run.

    Raises:
        BadInput: Either cannot be read, or they are not of the same frames and pixels.
    """
    known = read_truth(truth)
    expected = {frame.frame_seq: frame for frame in known.frames}
    tally: _Tally | None = None
    with RecordingReader(recording) as reader:
        for frame in RecordedFrames(reader):
            tally = tally or _begun(frame.start, known, recording)
            if frame.start.run != tally.start.run:
                raise BadInput(f"{recording}: holds several runs, expected one")
            if frame.frame_seq not in expected:
                raise BadInput(f"{recording}: frame {frame.frame_seq} is not in the truth {truth}")
            tally.add(frame, expected.pop(frame.frame_seq))
    if tally is None:
        raise BadInput(f"{recording}: holds no whole frame")
    if expected:
        raise BadInput(f"{recording}: frame {min(expected)} of the truth {truth} is not there")
    return tally.score(known)


@dataclass(slots=True)
class _Tally:
    start: Start
    reducer: Reducer
    detector: Detector
    truth: list[TruthFrame] = field(default_factory=list)
    matches: list[FrameMatch] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    def add(self, frame: WholeFrame, truth: TruthFrame) -> None:
        began = perf_counter()
        found = self.detector.detect(self.reducer.reduce(frame.counts))
        self.ms.append((perf_counter() - began) * 1e3)
        pixel_um = self.start.camera.pixel_size_um
        y, x = (full_from_reduced(one, REDUCED_PIXEL_UM / pixel_um) for one in (found.y, found.x))
        self.truth.append(truth)
        self.matches.append(match_frame(truth, y.astype(float), x.astype(float), pixel_um))

    def score(self, known: Truth) -> RecordedScore:
        there = Counter(kind for frame in self.truth for kind in frame.kind)
        found = Counter(
            frame.kind[true]
            for frame, match in zip(self.truth, self.matches, strict=True)
            for _, true, _ in match.pairs
        )
        found[NEUTRAL] = sum(match.debris_found for match in self.matches)
        cells = np.array([len(one.kind) - one.kind.count(NEUTRAL) for one in self.truth])
        matched = np.array([len(match.pairs) for match in self.matches])
        invented = np.array([match.invented for match in self.matches])
        apart = [distance for match in self.matches for _, _, distance in match.pairs]
        to_reduced = self.start.camera.pixel_size_um / REDUCED_PIXEL_UM
        draws = Resamples.of(np.arange(len(cells), dtype=np.int32), BootstrapSettings())
        return RecordedScore(
            frames=len(cells),
            cells=int(cells.sum()),
            matched=int(matched.sum()),
            invented=int(invented.sum()),
            recall=_share(draws, matched, cells),
            precision=_share(draws, matched, matched + invented),
            invented_per_frame=rate(draws, invented),
            centre_error_px=float(np.median(apart)) * to_reduced if apart else None,
            kinds={kind: KindFound(cells=n, found=found[kind]) for kind, n in sorted(there.items())},
            ms_per_frame=float(np.median(self.ms)),
            synthetic=known.synthetic,
            source=known.source,
        )  # fmt: skip


def _begun(start: Start, known: Truth, recording: Path) -> _Tally:
    pixel_um = start.camera.pixel_size_um
    if abs(pixel_um / known.pixel_size_um - 1) > 1e-3:
        raise BadInput(
            f"{recording}: pixel_size_um {pixel_um:g}, the truth has {known.pixel_size_um:g}"
        )
    reducer = Reducer(start.camera, (start.height, start.width), shots=start.shots)
    return _Tally(start, reducer, Detector(reducer.reduced_shape))


def _share(
    draws: Resamples, part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]
) -> Figure | None:
    """Share over all cells, each counted in its frame."""
    frame = np.repeat(np.arange(len(whole)), whole)
    hit = np.concatenate([np.arange(n) < k for k, n in zip(part, whole, strict=True)])
    return draws.select(frame).share(hit)
