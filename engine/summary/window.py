"""Accumulates the cells of many frames into the facts of one window, in a fixed amount of memory.

Counts are exact. Marker values are kept as histograms of their z score, so that windows merge without loss and a run of
any length costs the same; a quantile becomes the manifest's unit through its monotone target transform. Pure: what a
window is in time is the caller's affair.
"""

import zlib
from collections.abc import Mapping
from dataclasses import astuple, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import EngineFault
from phenostream.engine.postprocess import CLASSIFIED, REJECTED, STATUSES
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import (
    ClassFacts,
    Facts,
    FlaggedFrames,
    MarkerFacts,
    wilson_interval,
)
from phenostream.engine.summary.histogram import BINS, quantile, steps
from phenostream.engine.summary.spread import Spread
from phenostream.engine.types import NO_FLAGS, FrameFlags


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
        spread: How much the frames differ.
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
        self.spread = Spread(classes, markers)

    def merge(self, other: "Tally") -> None:
        """Add another tally of the same shape."""
        self.frames += other.frames
        self.status += other.status
        self.count += other.count
        self.confidence += other.confidence
        self.unusual += other.unusual
        self.z += other.z
        self.flagged += other.flagged
        self.spread.merge(other.spread)

    def as_bytes(self) -> bytes:
        """All of it, compressed; see `of_bytes`."""
        parts = (np.array([self.frames, self.unusual], np.int64), *self.arrays())
        return zlib.compress(b"".join(part.tobytes() for part in parts), 1)

    @classmethod
    def of_bytes(cls, data: bytes, classes: int, markers: int) -> Self | None:
        """The tally that `as_bytes` told; None where it is of another shape."""
        tally = cls(classes, markers)
        arrays = (head := np.zeros(2, np.int64), *tally.arrays())
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

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All that is not a single number, to be read or filled."""
        plain = self.status, self.count, self.confidence, self.z, self.flagged
        return *plain, *self.spread.arrays()


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
        fates = np.bincount(status, minlength=len(STATUSES))[: len(STATUSES)]
        tally.status += fates
        chosen = status == CLASSIFIED
        kind = columns["class"][chosen].astype(np.int64)
        probability = columns["class_probability"][chosen]
        classes, markers = len(self.context.classes), len(self.context.markers)
        count = np.bincount(kind, minlength=classes)
        tally.count += count
        confidence = probability[np.arange(len(kind)), kind].astype(np.float64)
        tally.confidence += np.bincount(kind, weights=confidence, minlength=classes)
        unusual = int(columns["ood"][chosen].sum())
        tally.unusual += unusual
        step = steps(columns["marker_z"][chosen])
        np.add.at(tally.z, (kind[:, None], np.arange(markers)[None, :], step), 1)
        tally.spread.add(count, int(fates[REJECTED]), unusual, (kind, step))

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
