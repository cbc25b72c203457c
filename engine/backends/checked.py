"""What every backend must survive before its numbers are believed: finite outputs, golden outputs.

Knows outputs and tolerances; knows no runtime.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.backends.golden_difference import INTERVAL_Z, golden_difference
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.class_sets import class_members
from phenostream.engine.errors import BadBundle, EngineFault
from phenostream.engine.manifest import Calibration, ClassSets
from phenostream.engine.types import F32, OUTPUT_SHAPES, Bool, Outputs

LOGIT_TOLERANCE: Final[dict[str, float]] = {"fp32": 1e-4, "fp16": 5e-3, "bf16": 5e-2}
"""Largest difference of class_logits and marker_z from the golden ones (DESIGN, "The bundle")."""
INT8_TOLERANCE: Final = 1.5
"""Likewise of an int8 graph from its own golden outputs: one rounding that falls the other way is a step of 1/127 of
the largest value, and so far apart are honest runtimes. A scale or a zero that is read wrongly gives more."""
DECISION_AGREEMENT: Final = 0.995
"""Share of golden crops whose rejection and flag an int8 graph must keep, and of those not rejected, whose class."""

_OF_CLASSES: Final = ("class", "set of classes")
"""Decisions that mean nothing of an object that is rejected: int8 may turn debris from one class into another."""


class PoisonedRows(EngineFault):
    """The call returned, but some outputs are not finite.

    Attributes:
        outputs: As they came.
        finite: (N,) crops whose every output is finite.
    """

    def __init__(self, message: str, outputs: Outputs, finite: Bool) -> None:
        super().__init__(message)
        self.outputs = outputs
        self.finite = finite


class CheckedBackend:
    """A backend whose outputs are finite and of the right shape, or an `EngineFault` says which are not."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.name = inner.name
        self.device = inner.device
        self.precision = inner.precision
        self.streams = inner.streams
        self.max_batch = inner.max_batch

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the inner backend; see `Backend.infer`.

        Raises:
            EngineFault: The batch is out of range or the runtime failed.
            PoisonedRows: An output is not finite.
        """
        count = len(images)
        if not 1 <= count <= self.max_batch:
            raise EngineFault(f"{self.name}: batch of {count} crops, allowed 1 to {self.max_batch}")
        outputs = self._inner.infer(images, background)
        for name, shape in OUTPUT_SHAPES.items():
            column: F32 = getattr(outputs, name)
            if column.shape != (count, *shape):
                raise EngineFault(
                    f"{self.name}: {name} has shape {column.shape}, expected {(count, *shape)}"
                )
        for name in OUTPUT_SHAPES:
            if not np.isfinite(getattr(outputs, name)).all():
                finite = outputs.finite_rows()
                bad = count - int(finite.sum())
                raise PoisonedRows(
                    f"{self.name}: {name} is not finite for {bad} of {count} crops", outputs, finite
                )
        return outputs

    def close(self) -> None:
        """Close the inner backend."""
        self._inner.close()


def self_test(backend: Backend, bundle: Bundle, sizes: Sequence[int] = ()) -> float:
    """Compare what the backend says about the golden crops with what it must say, as often as it has streams.

    Args:
        backend: A loaded backend.
        bundle: The bundle it was loaded from.
        sizes: Of batches, none above the backend's largest: all golden crops must also come right in calls of so many.

    Returns:
        The largest difference of class_logits and marker_z (for int8: the share of changed decisions).

    Raises:
        BadBundle: Outside the tolerance of its precision; or a class, rejection or out-of-distribution flag changed
            that is not within the tolerance of its threshold. Of int8: further from what the int8 graph is to say than
            that graph's tolerance, where the bundle tells; or too many decisions changed.
        EngineFault: The backend failed on the golden crops.
    """
    at_once = min(len(bundle.golden.crops), backend.max_batch)
    return max(
        _tested(backend, bundle, size)
        for size in dict.fromkeys((at_once, *sizes))
        for _ in range(max(1, backend.streams))
    )


def _tested(backend: Backend, bundle: Bundle, size: int) -> float:
    """One of the self-test's rounds; a backend that takes its streams in turn is tested in each of them.

    In calls of `size`; where that is more crops than there are, some are asked again and again.
    """
    rows = np.arange(max(len(bundle.golden.crops), size)) % len(bundle.golden.crops)
    found = _golden_said(backend, bundle, rows, size)
    expected = {name: getattr(bundle.golden.outputs, name)[rows] for name in OUTPUT_SHAPES}
    if backend.precision == "int8":
        if bundle.golden_int8 is not None:
            own = {name: getattr(bundle.golden_int8, name)[rows] for name in OUTPUT_SHAPES}
            _largest_difference(backend, bundle, found, own)
        return _changed_share(backend, bundle, found, expected)
    worst = _largest_difference(backend, bundle, found, expected)
    tolerance = _tolerance(backend, bundle)
    for decision in _decisions(bundle.manifest.calibration, found, expected, tolerance):
        wrong = decision.changed & ~decision.close
        if wrong.any():
            raise BadBundle(
                f"{bundle.path}: {backend.name} {backend.precision} changes the {decision.name} of "
                f"{int(wrong.sum())} of {len(found)} golden crops, allowed none but within the tolerance of "
                "the threshold"
            )
    return worst


def _golden_said(
    backend: Backend, bundle: Bundle, rows: npt.NDArray[np.int64], size: int
) -> Outputs:
    """What the backend says of golden crops, in calls of `size`."""
    crops = bundle.golden.crops
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    said = [backend.infer(crops.images[part], crops.background[part]) for part in parts]
    columns = ([getattr(one, name) for one in said] for name in OUTPUT_SHAPES)
    return Outputs(*(np.concatenate(column) for column in columns))


def _largest_difference(
    backend: Backend, bundle: Bundle, found: Outputs, expected: dict[str, F32]
) -> float:
    """Of class_logits and marker_z from what the graph of this precision must say.

    Raises:
        BadBundle: That, or another output, is outside its tolerance.
    """
    tolerance = _tolerance(backend, bundle)
    said = {name: getattr(found, name) for name in OUTPUT_SHAPES}
    transform = bundle.manifest.marker_transform
    threshold = bundle.manifest.calibration.reject_threshold
    worst = 0.0
    for name, allowed in tolerance.items():
        difference = golden_difference(name, said, expected, transform, threshold)
        if not difference <= allowed:
            differs = "marker_interval differs in z" if name == INTERVAL_Z else f"{name} differs"
            raise BadBundle(
                f"{bundle.path}: golden {differs} by {difference:.2g} on {backend.name} "
                f"{backend.precision}, allowed {allowed:.2g}"
            )
        if name in ("class_logits", "marker_z"):
            worst = max(worst, difference)
    return worst


def _tolerance(backend: Backend, bundle: Bundle) -> dict[str, float]:
    """What the manifest allows in the backend's precision, the logits never more than the engine does."""
    declared = bundle.manifest.golden.get(backend.precision)  # type: ignore[call-overload]
    tolerance = dict(declared.tolerance) if declared else {}
    unknown = sorted(set(tolerance) - {*OUTPUT_SHAPES, INTERVAL_Z})
    if unknown:
        raise BadBundle(f"{bundle.path}: manifest.json: golden names unknown output {unknown[0]!r}")
    limit = INT8_TOLERANCE if backend.precision == "int8" else LOGIT_TOLERANCE[backend.precision]
    for name in ("class_logits", "marker_z"):
        tolerance[name] = min(limit, tolerance.get(name, limit))
    return tolerance


@dataclass(frozen=True, slots=True)
class _Decision:
    """What is decided from one output: (N,) whether it changed, (N,) whether the golden value is close to the edge."""

    name: str
    changed: Bool
    close: Bool


def _decisions(
    calibration: Calibration,
    found: Outputs,
    expected: dict[str, F32],
    tolerance: dict[str, float],
) -> list[_Decision]:
    """Class, set of classes, rejection, out-of-distribution flag; what counts as close, a manifest can only narrow."""
    limit = tolerance["class_logits"]
    kept = found.most_probable() == expected["class_probability"].argmax(axis=1)
    with np.errstate(divide="ignore"):  # a class that is out of the question has probability 0
        top = np.log(np.sort(expected["class_probability"], axis=1)[:, -2:])
    margin = calibration.temperature * (top[:, 1] - top[:, 0])  # of the logits, with bias and prior
    decisions = [_Decision("class", ~kept, margin <= 2 * limit)]
    if calibration.class_sets is not None:
        decisions.append(_set_decision(calibration.class_sets, found, expected, tolerance))
    edges = (
        ("reject_probability", "rejection", calibration.reject_threshold, np.greater_equal, limit),
        (
            "ood_score",
            "out-of-distribution flag",
            calibration.ood_threshold,
            np.greater,
            limit * abs(calibration.ood_threshold or 0.0),
        ),
    )
    for output, name, edge, beyond, widest in edges:
        if edge is None:  # the model decides no such thing
            continue
        threshold = np.float32(edge)
        near = min(widest, tolerance.get(output, widest))
        changed = beyond(getattr(found, output), threshold) != beyond(expected[output], threshold)
        decisions.append(_Decision(name, changed, np.abs(expected[output] - threshold) <= near))
    return decisions


def _set_decision(
    sets: ClassSets, found: Outputs, expected: dict[str, F32], tolerance: dict[str, float]
) -> _Decision:
    """Set of classes; close where only classes came or went whose golden probability is near their threshold."""
    golden = expected["class_probability"]
    before = class_members(golden, sets.threshold)
    changed = class_members(found.class_probability, sets.threshold) != before
    near = min(tolerance["class_logits"], tolerance.get("class_probability", 1.0))
    far = np.abs(golden - np.array(sets.threshold, np.float32)) > near
    return _Decision("set of classes", changed.any(axis=1), ~(changed & far).any(axis=1))


def _changed_share(
    backend: Backend, bundle: Bundle, found: Outputs, expected: dict[str, F32]
) -> float:
    """Of int8: the largest share of golden crops of which a decision changed.

    Raises:
        BadBundle: More than may.
    """
    no_slack = {"class_logits": 0.0}
    threshold = bundle.manifest.calibration.reject_threshold
    kept = np.ones(len(expected["reject_probability"]), np.bool_)
    if threshold is not None:
        kept = expected["reject_probability"] < np.float32(threshold)
    worst = 0.0
    for decision in _decisions(bundle.manifest.calibration, found, expected, no_slack):
        counted = kept if decision.name in _OF_CLASSES and kept.any() else np.ones_like(kept)
        changed = float(decision.changed[counted].mean())
        if 1 - changed < DECISION_AGREEMENT:
            raise BadBundle(
                f"{bundle.path}: {backend.name} int8 keeps the {decision.name} of {1 - changed:.1%} of the "
                f"golden crops, expected at least {DECISION_AGREEMENT:.1%}"
            )
        worst = max(worst, changed)
    return worst
