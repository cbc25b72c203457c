"""Accumulates the cells of many frames into the facts of one window, in a fixed amount of memory.

Counts are exact. Marker values are kept as histograms of their z score, so that windows merge without loss and a run of
any length costs the same; a quantile becomes the manifest's unit through its monotone target transform. Pure: what a
window is in time is the caller's affair.
"""

import zlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import Manifest, MarkerTransform
from phenostream.engine.postprocess import CLASSIFIED, STATUSES
from phenostream.engine.summary.facts import (
    ClassFacts,
    Facts,
    FlaggedFrames,
    MarkerFacts,
    wilson_interval,
)
from phenostream.engine.summary.histogram import BINS, quantile, steps
from phenostream.engine.types import NO_FLAGS, FrameFlags


@dataclass(frozen=True, slots=True)
class SummaryContext:
    """What the numbers mean: from the manifest of the model that made them.

    Attributes:
        classes: In the order of the ``class`` column.
        markers: In the order of the marker columns.
        marker_unit: Of the estimates.
        marker_transform: From z to the unit.
        half_width_z: Half width of a cell's interval, in z, per marker, the median where each cell has its own; None
            where the model has no interval.
        interval_coverage: Its nominal coverage; None likewise.
        calibrated: The manifest says so.
        model_synthetic: The model was trained on simulated cells.
        source_synthetic: The cells are simulated.
        model: Name and version.
        scores_ood: The model tells how unlike its training cells a cell is.
        rejects: The model can tell other objects from white cells.
    """

    classes: tuple[str, ...]
    markers: tuple[str, ...]
    marker_unit: str
    marker_transform: MarkerTransform
    half_width_z: tuple[float, ...] | None
    interval_coverage: float | None
    calibrated: bool
    model_synthetic: bool
    source_synthetic: bool
    model: str
    scores_ood: bool = True
    rejects: bool = True

    @classmethod
    def of(cls, manifest: Manifest, *, simulated_cells: bool = False) -> Self:
        """The context of one model; ``simulated_cells`` where the source says that it is a simulator."""
        return cls(
            manifest.classes,
            manifest.markers,
            manifest.marker_unit,
            manifest.marker_transform,
            manifest.calibration.interval_half_width_z,
            manifest.calibration.known_coverage,
            manifest.calibration.status == "calibrated",
            manifest.synthetic,
            simulated_cells,
            f"{manifest.name} {manifest.version}",
            manifest.calibration.ood_threshold is not None,
            manifest.calibration.reject_threshold is not None,
        )

    def in_unit(self, z: float, marker: int) -> float:
        """A z score of one marker in the marker unit."""
        transform = self.marker_transform
        value = z * transform.sd[marker] + transform.mean[marker]
        return float(10.0**value) if transform.scale == "log10" else value


class Tally:
    """The plain sums behind a window.

    Attributes:
        frames: Frames added.
        status: (5,) cells per fate, order `STATUSES`.
        count: (C,) classified cells per class.
        confidence: (C,) sum of the predicted class's probability.
        unusual: Classified cells flagged as out of distribution.
        z: (C, M, bins) histograms of marker z.
        flagged: (1 + flags,) frames with any flag, and with each in the order of `FrameFlags`.
    """

    def __init__(self, classes: int, markers: int) -> None:
        """Start empty."""
        self.frames = 0
        self.status = np.zeros(len(STATUSES), np.int64)
        self.count = np.zeros(classes, np.int64)
        self.confidence = np.zeros(classes, np.float64)
        self.unusual = 0
        self.z = np.zeros((classes, markers, BINS), np.int64)
        self.flagged = np.zeros(1 + len(fields(FrameFlags)), np.int64)

    def merge(self, other: "Tally") -> None:
        """Add another tally of the same shape."""
        self.frames += other.frames
        self.status += other.status
        self.count += other.count
        self.confidence += other.confidence
        self.unusual += other.unusual
        self.z += other.z
        self.flagged += other.flagged

    def as_bytes(self) -> bytes:
        """All of it, compressed; see `of_bytes`."""
        parts = (np.array([self.frames, self.unusual], np.int64), *self._arrays())
        return zlib.compress(b"".join(part.tobytes() for part in parts), 1)

    @classmethod
    def of_bytes(cls, data: bytes, classes: int, markers: int) -> Self | None:
        """The tally that `as_bytes` told; None where it is of another shape."""
        tally = cls(classes, markers)
        arrays = (head := np.zeros(2, np.int64), *tally._arrays())
        size = sum(array.nbytes for array in arrays)
        try:
            decoder = zlib.decompressobj()
            content = decoder.decompress(data, size + 1)
        except zlib.error:
            return None
        if len(content) != size:
            return None
        position = 0
        for array in arrays:
            part = np.frombuffer(content, array.dtype, array.size, position)
            array[...] = part.reshape(array.shape)
            position += array.nbytes
        tally.frames, tally.unusual = int(head[0]), int(head[1])
        return tally

    def _arrays(self) -> tuple[npt.NDArray[Any], ...]:
        return self.status, self.count, self.confidence, self.z, self.flagged


class WindowStatistics:
    """A mergeable accumulator of result columns.

    Attributes:
        context: What the numbers mean.
        tally: The sums so far.
    """

    def __init__(self, context: SummaryContext) -> None:
        """Start empty."""
        self.context = context
        self.tally = Tally(len(context.classes), len(context.markers))

    def add(self, columns: Mapping[str, npt.NDArray[Any]], flags: FrameFlags = NO_FLAGS) -> None:
        """Add one frame.

        Args:
            columns: The arrays of a frame's result by name (see `postprocess`); N may be 0.
            flags: What the physics checks say of the frame.
        """
        tally = self.tally
        status = columns["status"]
        tally.frames += 1
        kinds = astuple(flags)
        tally.flagged += np.array([any(kinds), *kinds])
        tally.status += np.bincount(status, minlength=len(STATUSES))[: len(STATUSES)]
        chosen = status == CLASSIFIED
        kind = columns["class"][chosen].astype(np.int64)
        probability = columns["class_probability"][chosen]
        classes, markers = len(self.context.classes), len(self.context.markers)
        tally.count += np.bincount(kind, minlength=classes)
        confidence = probability[np.arange(len(kind)), kind].astype(np.float64)
        tally.confidence += np.bincount(kind, weights=confidence, minlength=classes)
        tally.unusual += int(columns["ood"][chosen].sum())
        step = steps(columns["marker_z"][chosen])
        np.add.at(tally.z, (kind[:, None], np.arange(markers)[None, :], step), 1)

    def merge(self, other: "WindowStatistics") -> None:
        """Add everything another window of the same context holds.

        Raises:
            EngineFault: The contexts differ.
        """
        if other.context != self.context:
            raise EngineFault(f"window of {other.context.model}: cannot join {self.context.model}")
        self.tally.merge(other.tally)

    def facts(self) -> Facts:
        """The facts so far; whose they are and what they are compared with is told by who knows it."""
        classified, edge, rejected, over_limit, failed = (int(n) for n in self.tally.status)
        seen = classified + rejected
        unusual = self.tally.unusual if self.context.scores_ood else None
        rejected_low, rejected_high = wilson_interval(rejected, seen)
        ends = (None, None) if unusual is None else wilson_interval(unusual, classified)
        return Facts(
            frames=self.tally.frames,
            found=int(self.tally.status.sum()),
            classified=classified,
            edge=edge,
            rejected=rejected,
            over_limit=over_limit,
            rejected_share=rejected / seen if seen else 0.0,
            mean_confidence=_mean(float(self.tally.confidence.sum()), classified),
            unusual=unusual,
            unusual_share=None if unusual is None else unusual / max(classified, 1),
            classes=tuple(self._class(k, classified) for k in range(len(self.context.classes))),
            marker_unit=self.context.marker_unit,
            interval_coverage=self.context.interval_coverage,
            calibrated=self.context.calibrated,
            synthetic=self.context.model_synthetic or self.context.source_synthetic,
            model_synthetic=self.context.model_synthetic,
            source_synthetic=self.context.source_synthetic,
            model=self.context.model,
            flagged=FlaggedFrames(*(int(n) for n in self.tally.flagged)),
            rejects=self.context.rejects,
            failed=failed,
            rejected_low=rejected_low,
            rejected_high=rejected_high,
            unusual_low=ends[0],
            unusual_high=ends[1],
        )

    def _class(self, index: int, classified: int) -> ClassFacts:
        count = int(self.tally.count[index])
        low, high = wilson_interval(count, classified)
        markers = range(len(self.context.markers)) if count else range(0)
        return ClassFacts(
            name=self.context.classes[index],
            count=count,
            share=count / classified if classified else 0.0,
            share_low=low,
            share_high=high,
            mean_confidence=_mean(float(self.tally.confidence[index]), count),
            markers=tuple(self._marker(index, marker) for marker in markers),
        )

    def _marker(self, index: int, marker: int) -> MarkerFacts:
        histogram = self.tally.z[index, marker]
        lower, middle, upper = (quantile(histogram, q) for q in (0.25, 0.5, 0.75))
        spread = [self.context.in_unit(z, marker) for z in (middle, lower, upper)]
        reach = self.context.half_width_z
        ends = [
            None if reach is None else self.context.in_unit(middle + side * reach[marker], marker)
            for side in (-1, 1)
        ]
        return MarkerFacts(self.context.markers[marker], *spread, *ends)


def _mean(total: float, count: int) -> float | None:
    """Of probabilities: float32 may have summed them to a hair above one each."""
    return min(1.0, total / count) if count else None
