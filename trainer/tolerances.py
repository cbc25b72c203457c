"""How far a runtime may be from the golden outputs: a small multiple of what the runtimes were seen to do.

Measured with the demo weights on 800 held-out synthetic crops (both presets) and the golden ones, ONNX Runtime and
OpenVINO against torch in float32; `docs/measurements/demo-bundle.md` has the table.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from phenostream.engine.backends.checked import LOGIT_TOLERANCE
from phenostream.engine.backends.golden_difference import INTERVAL_Z
from phenostream.engine.types import F32

MARGIN: Final = 3.0
"""Times the largest difference measured: for other weights, crops and processors."""
LEAST: Final = 5e-5
"""Of probabilities, and of the scale of the others: float32 sums in another order."""
WIDTH_AND_Z: Final = 2.0
"""An end is an estimate and a width, and each may differ by what `marker_z` may. On 408 held-out synthetic crops, white
and not rejected, ends differed by 3.2e-6 in fp32, 3.3e-3 in fp16 and 2.9e-2 in bf16: a third of that."""
_SCALED: Final = ("marker_estimate", "marker_interval", "ood_score", "feature")
"""Differences of these grow with their values: measured and allowed as parts of the largest golden value."""
_MEASURED: Final[dict[str, dict[str, float]]] = {
    "fp32": {
        "class_probability": 6.6e-7,
        "marker_estimate": 7.2e-7,
        "marker_interval": 1.4e-6,
        "ood_score": 2.1e-7,
        "reject_probability": 2.1e-7,
        "feature": 7.7e-7,
    },
    "fp16": {
        "class_probability": 2.0e-3,
        "marker_estimate": 1.1e-3,
        "marker_interval": 1.5e-3,
        "ood_score": 3.0e-4,
        "reject_probability": 1.1e-3,
        "feature": 1.2e-3,
    },
    "bf16": {
        "class_probability": 8.5e-3,
        "marker_estimate": 5.2e-3,
        "marker_interval": 7.3e-3,
        "ood_score": 3.2e-3,
        "reject_probability": 1.2e-2,
        "feature": 7.1e-3,
    },
}


def tolerances(
    golden: Mapping[str, F32], linear_sd: float | None = None, *, own_widths: bool = False
) -> dict[str, dict[str, float]]:
    """Largest absolute difference allowed, by precision and output.

    Args:
        golden: The golden outputs by name.
        linear_sd: Of markers on a linear scale, the largest standard deviation: their estimates and intervals differ
            by that much times what `marker_z` does. None on a log10 scale.
        own_widths: Every cell's interval has a width of its own: intervals are compared in z.
    """
    allowed = _measured(golden)
    if own_widths:
        for own in allowed.values():
            del own["marker_interval"]
            own[INTERVAL_Z] = WIDTH_AND_Z * own["marker_z"]
    if linear_sd is None:
        return allowed
    for own in allowed.values():
        for name in {"marker_estimate", "marker_interval"} & set(own):
            own[name] = max(own[name], own["marker_z"] * linear_sd)
    return allowed


def _measured(golden: Mapping[str, F32]) -> dict[str, dict[str, float]]:
    return {
        precision: {
            "class_logits": of_logits,
            "marker_z": of_logits,
            **{
                name: max(MARGIN * seen, LEAST) * _scale(name, golden)
                for name, seen in _MEASURED[precision].items()
            },
        }
        for precision, of_logits in LOGIT_TOLERANCE.items()
    }


def _scale(name: str, golden: Mapping[str, F32]) -> float:
    """The largest golden value; 1 for an output that is zero throughout, as the score of a model that has none."""
    return (float(np.abs(golden[name]).max()) if name in _SCALED else 1.0) or 1.0
