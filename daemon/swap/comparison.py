"""What two models say of the same live cells: sums, and the one line of a limit that is exceeded.

Exact counts and sums in a fixed amount of memory. Pure: no thread, no clock. A decision about a cell is its class, or
that it is rejected; both with the thresholds of the model that made it.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.daemon.swap.state import SwapSettings
from phenostream.engine.manifest import Manifest
from phenostream.engine.summary.facts import wilson_interval
from phenostream.engine.types import F32, Bool, Outputs

REJECTED: Final = "rejected"


class Comparison:
    """A reference, which serves, and another model.

    Attributes:
        cells: Compared so far. A crop of which the reference gave no finite number is not compared.
    """

    def __init__(self, reference: Manifest, other: Manifest) -> None:
        """Start empty. Both have the same classes, markers, unit and scale."""
        self.cells = 0
        self._reference, self._other = reference, other
        self._decisions = (*reference.classes, REJECTED)
        kinds, markers = len(self._decisions), len(reference.markers)
        self._confusion = np.zeros((kinds, kinds), np.int64)
        self._unusual = np.zeros(2, np.int64)
        self._read = 0
        self._sums = np.zeros((5, markers))  # of a, b, a², b², ab: marker z of both

    def add(self, said: Outputs, other: Outputs) -> None:
        """Count the same cells as both models saw them; every row is finite."""
        mine, theirs = _decided(said, self._reference), _decided(other, self._other)
        self.cells += len(mine)
        np.add.at(self._confusion, (mine, theirs), 1)
        self._unusual += np.array(
            [_unusual(said, self._reference), _unusual(other, self._other)], np.int64
        )
        read = (mine < len(self._reference.classes)) & (theirs < len(self._reference.classes))
        a = said.marker_z[read].astype(np.float64)
        b = self._on_the_references_scale(other.marker_z[read])
        self._read += int(read.sum())
        self._sums += np.stack([v.sum(axis=0) for v in (a, b, a * a, b * b, a * b)])

    @property
    def agreement(self) -> float:
        """Share of the cells with the same decision; 1 without any."""
        return float(self._confusion.trace()) / self.cells if self.cells else 1.0

    @property
    def marker_shift(self) -> npt.NDArray[np.float64]:
        """(M,) mean of other - reference, in standard deviations of the reference's targets, of cells both classify."""
        shift: npt.NDArray[np.float64] = (self._sums[1] - self._sums[0]) / max(self._read, 1)
        return shift

    def breach(self, settings: SwapSettings, *, looked_often: bool = False) -> str | None:
        """The first limit that is exceeded, in one line.

        Args:
            settings: The limits.
            looked_often: Whoever looks after every few cells sees chance exceed a limit sooner or later: then the
                agreement counts as too small only where all of its 95 % interval is.
        """
        agreement = self._interval()[1] if looked_often else self.agreement
        if agreement < settings.min_agreement:
            return (
                f"the models decide alike for {self.agreement:.2%} of {self.cells} cells, "
                f"allowed {settings.min_agreement:.2%} or more"
            )
        shift = self.marker_shift
        worst = int(np.abs(shift).argmax())
        if abs(shift[worst]) > settings.max_marker_shift:
            return (
                f"{self._reference.markers[worst]} is shifted by {shift[worst]:+.3f} standard deviations over "
                f"{self._read} cells, allowed {settings.max_marker_shift:g}"
            )
        return None

    def told(self) -> dict[str, Any]:
        """The report, plain values; the first of two is the reference, the second the other model.

        ``changes`` has every pair of different decisions that occurred, the most frequent first; the shares of
        rejected and unusual cells are of all compared ones.
        """
        low, high = self._interval()
        rejected = int(self._confusion[-1].sum()), int(self._confusion[:, -1].sum())
        return {
            "cells": self.cells,
            "agreement": self.agreement,
            "agreement_low": low,
            "agreement_high": high,
            "changes": self._changes(),
            "markers": self._markers(),
            "cells_with_markers": self._read,
            "rejected": [self._share(n) for n in rejected],
            "unusual": [self._share(int(n)) for n in self._unusual],
        }

    def _interval(self) -> tuple[float, float]:
        return wilson_interval(int(self._confusion.trace()), self.cells)

    def _changes(self) -> list[dict[str, Any]]:
        pairs = [
            {"reference": one, "other": two, "cells": int(self._confusion[i, j])}
            for i, one in enumerate(self._decisions)
            for j, two in enumerate(self._decisions)
            if i != j and self._confusion[i, j]
        ]
        return sorted(pairs, key=lambda pair: -int(str(pair["cells"])))

    def _markers(self) -> list[dict[str, Any]]:
        n = max(self._read, 1)
        a, b, aa, bb, ab = self._sums / n
        spread = np.sqrt(np.maximum(aa + bb - 2 * ab, 0))
        together = np.sqrt(np.maximum(aa - a * a, 0) * np.maximum(bb - b * b, 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            r = np.where(together > 0, (ab - a * b) / together, np.nan)
        return [
            {
                "name": name,
                "shift_sd": float(b[m] - a[m]),
                "rms_difference_sd": float(spread[m]),
                "r": float(r[m]) if np.isfinite(r[m]) else None,
            }
            for m, name in enumerate(self._reference.markers)
        ]

    def _share(self, count: int) -> float:
        return count / self.cells if self.cells else 0.0

    def _on_the_references_scale(self, z: F32) -> npt.NDArray[np.float64]:
        """Marker z of the other model as z of the reference: both stand for the same value in the common unit."""
        ours, theirs = self._reference.marker_transform, self._other.marker_transform
        value = z.astype(np.float64) * np.array(theirs.sd) + np.array(theirs.mean)
        scaled: npt.NDArray[np.float64] = (value - np.array(ours.mean)) / np.array(ours.sd)
        return scaled


def comparable(outputs: Outputs) -> Bool:
    """(N,) cells that can be compared: the reference gave finite numbers."""
    return outputs.finite_rows()


def _decided(outputs: Outputs, manifest: Manifest) -> npt.NDArray[np.int64]:
    """(N,) index of the class, or of `REJECTED` behind the classes."""
    decided = outputs.most_probable().astype(np.int64)
    threshold = manifest.calibration.reject_threshold
    if threshold is not None:
        decided[outputs.reject_probability >= np.float32(threshold)] = len(manifest.classes)
    return decided


def _unusual(outputs: Outputs, manifest: Manifest) -> int:
    threshold = manifest.calibration.ood_threshold
    return 0 if threshold is None else int((outputs.ood_score > np.float32(threshold)).sum())
