"""How far the outputs of two runtimes are apart: as they are, but marker intervals in z where cells have own widths.

Such a width is an exponential of what the network says, and on a log10 scale the ends are one of it again: of an odd
object, for which the network expects anything, an end can be a thousand times that of a white cell, and its rounding
larger than any white cell's value. So ends are compared in z, where a difference means the same for each, and over the
crops that are not rejected. Pure.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.types import F32

INTERVAL_Z: Final = "marker_interval_z"
"""Name of this difference among a manifest's tolerances; there instead of ``marker_interval``."""


def golden_difference(
    name: str,
    found: Mapping[str, F32],
    golden: Mapping[str, F32],
    transform: MarkerTransform,
    reject_threshold: float | None,
) -> float:
    """The largest absolute difference of one output; NaN, which is within no tolerance, where it cannot be told.

    Args:
        name: Of an output, or `INTERVAL_Z`.
        found: Outputs by name, N crops.
        golden: Likewise.
        transform: From z to the unit of the intervals.
        reject_threshold: Of the model; None where it rejects nothing.
    """
    if name != INTERVAL_Z:
        return float(np.abs(found[name].astype(np.float64) - golden[name]).max())
    counted = np.ones(len(golden["reject_probability"]), np.bool_)
    if reject_threshold is not None:
        kept = golden["reject_probability"] < np.float32(reject_threshold)
        counted = kept if kept.any() else counted
    ours, theirs = (_in_z(of["marker_interval"][counted], transform) for of in (found, golden))
    return float(np.abs(ours - theirs).max())


def _in_z(ends: F32, transform: MarkerTransform) -> npt.NDArray[np.float64]:
    """Ends (N, 4, 2) in the marker unit, in z; NaN or infinite where a value has none."""
    values = ends.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log10(values) if transform.scale == "log10" else values
    mean, sd = np.array(transform.mean)[:, None], np.array(transform.sd)[:, None]
    z: npt.NDArray[np.float64] = (values - mean) / sd
    return z
