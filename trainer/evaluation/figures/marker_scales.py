"""Markers on the two scales that are reported: z of log10 levels, and z of linear levels as published (SPEC a.6).

The z of both is that of the unmasked training targets, whatever z the model was trained on, so that figures of two
models can be compared. A prediction is the estimate that a result carries, in the marker's unit.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from phenostream.engine.manifest import MarkerTransform
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.figures.bootstrap import F64
from phenostream.trainer.published.marker_statistics import UNKNOWN

Scale = Literal["log", "linear"]
SCALES: Final[tuple[Scale, ...]] = ("log", "linear")


@dataclass(frozen=True, slots=True)
class MarkerScale:
    """One marker's training targets as a ruler.

    Attributes:
        mean_log: Of log10.
        sd_log: Of log10.
        mean_linear: Of the levels themselves.
        sd_linear: Likewise.
        least: Smallest level. A model of linear levels says less, and even below 0: on the log scale that is this.
    """

    mean_log: float
    sd_log: float
    mean_linear: float
    sd_linear: float
    least: float

    @classmethod
    def of(cls, train: CellSet, marker: int) -> "MarkerScale | None":
        """From the unmasked targets of a column; None where there are fewer than two or they have no spread."""
        log = train.marker_log10[train.marker_mask[:, marker], marker].astype(np.float64)
        if len(log) < 2 or log.std() < 1e-6:
            return None
        linear = 10**log
        return cls(
            float(log.mean()),
            float(log.std()),
            float(linear.mean()),
            float(linear.std()),
            float(linear.min()),
        )

    def z(self, levels: npt.NDArray[np.floating], scale: Scale) -> F64:
        """Levels in the marker's unit, (N,), as z; on the log scale they must be positive."""
        wide = levels.astype(np.float64)
        if scale == "linear":
            return (wide - self.mean_linear) / self.sd_linear
        return (np.log10(wide) - self.mean_log) / self.sd_log

    def estimated_z(
        self, estimate: npt.NDArray[np.floating], transform: MarkerTransform, scale: Scale
    ) -> F64:
        """A model's estimates (N,) as z; those of a model without a unit are taken for linear z."""
        wide = estimate.astype(np.float64)
        if transform == UNKNOWN:
            wide = wide * self.sd_linear + self.mean_linear
        if scale == "log" and transform.scale == "linear":
            wide = np.maximum(wide, self.least)
        return self.z(wide, scale)

    def widths(self, interval: npt.NDArray[np.floating], scale: Literal["log10", "linear"]) -> F64:
        """Widths (N,) in z of intervals (N, 2) in the marker's unit, on the scale the model was trained on."""
        low, high = interval.astype(np.float64).T
        if scale == "linear":
            return np.asarray((high - low) / self.sd_linear, np.float64)
        tiny = float(np.finfo(np.float32).tiny)
        decades = np.log10(np.maximum(high, tiny) / np.maximum(low, tiny))
        return np.asarray(decades / self.sd_log, np.float64)
