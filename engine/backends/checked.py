"""What every backend must survive before its numbers are believed: finite outputs, golden outputs.

Knows outputs and tolerances; knows no runtime.
"""

from typing import Final

import numpy as np

from phenostream.engine.backends.protocol import Backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadBundle, EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

LOGIT_TOLERANCE: Final[dict[str, float]] = {"fp32": 1e-4, "fp16": 5e-3, "bf16": 5e-2}
"""Largest difference of class_logits and marker_z from the golden ones (DESIGN, "The bundle")."""
DECISION_AGREEMENT: Final = 0.995
"""Share of golden crops whose class an int8 graph must keep."""


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
            EngineFault: The batch is out of range, the runtime failed, or an output is not finite.
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
            if not np.isfinite(column).all():
                finite = np.isfinite(column.reshape(count, -1)).all(axis=1)
                raise EngineFault(
                    f"{self.name}: {name} is not finite for {count - int(finite.sum())} of {count} crops"
                )
        return outputs

    def close(self) -> None:
        """Close the inner backend."""
        self._inner.close()


def self_test(backend: Backend, bundle: Bundle) -> float:
    """Compare what the backend says about the golden crops with what it must say.

    Args:
        backend: A loaded backend.
        bundle: The bundle it was loaded from.

    Returns:
        The largest difference of class_logits and marker_z (for int8: the share of changed decisions).

    Raises:
        BadBundle: Outside the tolerance of its precision.
        EngineFault: The backend failed on the golden crops.
    """
    golden = bundle.golden
    count = min(len(golden.crops), backend.max_batch)
    found = backend.infer(golden.crops.images[:count], golden.crops.background[:count])
    if backend.precision == "int8":
        decided = np.argmax(found.class_logits, axis=1)
        expected = np.argmax(golden.outputs.class_logits[:count], axis=1)
        agreement = float(np.mean(decided == expected))
        if agreement < DECISION_AGREEMENT:
            raise BadBundle(
                f"{bundle.path}: {backend.name} int8 keeps {agreement:.1%} of the golden decisions, "
                f"expected at least {DECISION_AGREEMENT:.1%}"
            )
        return 1 - agreement
    declared = bundle.manifest.golden.get(backend.precision)  # type: ignore[call-overload]
    tolerance = dict(declared.tolerance) if declared else {}
    limit = LOGIT_TOLERANCE[backend.precision]
    for name in ("class_logits", "marker_z"):
        tolerance[name] = min(limit, tolerance.get(name, limit))
    worst = 0.0
    for name, allowed in tolerance.items():
        if name not in OUTPUT_SHAPES:
            raise BadBundle(f"{bundle.path}: manifest.json: golden names unknown output {name!r}")
        expected_column: F32 = getattr(golden.outputs, name)[:count]
        difference = float(np.abs(getattr(found, name) - expected_column).max())
        if not difference <= allowed:
            raise BadBundle(
                f"{bundle.path}: golden {name} differs by {difference:.2g} on {backend.name} "
                f"{backend.precision}, allowed {allowed:.2g}"
            )
        if name in ("class_logits", "marker_z"):
            worst = max(worst, difference)
    return worst
