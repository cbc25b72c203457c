"""A true backend with no model: a fixed function of the crops, and failures on command.

The tests' default. Its outputs depend on each crop alone, not on its neighbours in the batch.
"""

import itertools
from dataclasses import dataclass
from threading import Event

import numpy as np

from phenostream.engine.errors import EngineFault
from phenostream.engine.types import CLASSES, F32, FEATURE_DIM, MARKERS, Outputs


@dataclass(frozen=True, slots=True)
class FakeScript:
    """What goes wrong, by number of the call to `infer` (the first is 1).

    Attributes:
        fail_at: These calls raise `EngineFault`.
        nan_at: These calls return NaN in marker_z.
        nan_first_at: These calls return NaN in marker_z of their first crop.
        stall_at: These calls wait for `release`.
        release: Set by the test to end a stall.
        stalled: Set by the fake when a stall has begun.
    """

    fail_at: frozenset[int] = frozenset()
    nan_at: frozenset[int] = frozenset()
    nan_first_at: frozenset[int] = frozenset()
    stall_at: frozenset[int] = frozenset()
    release: Event | None = None
    stalled: Event | None = None


class FakeBackend:
    """See `Backend`; `calls` counts how often `infer` was entered."""

    name = "fake"
    device = "none"
    precision = "fp32"

    def __init__(
        self, script: FakeScript | None = None, streams: int = 2, max_batch: int = 256
    ) -> None:
        self.streams = streams
        self.max_batch = max_batch
        self.closed = False
        self._script = script or FakeScript()
        self._numbers = itertools.count(1)
        self.calls = 0

    def infer(self, images: F32, background: F32) -> Outputs:
        """A class from brightness and tilt, markers from the means; see `Backend.infer`."""
        call = self.calls = next(self._numbers)
        if call in self._script.stall_at and self._script.release is not None:
            if self._script.stalled is not None:
                self._script.stalled.set()
            self._script.release.wait()
        if call in self._script.fail_at:
            raise EngineFault(f"fake: told to fail at call {call}")
        outputs = _outputs(images, background)
        if call in self._script.nan_at:
            outputs.marker_z[:] = np.nan
        if call in self._script.nan_first_at:
            outputs.marker_z[0] = np.nan
        return outputs

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def _outputs(images: F32, background: F32) -> Outputs:
    ratio = images / np.maximum(background, 1e-3)[:, :, None, None] - 1
    texture = np.clip(np.abs(ratio).mean(axis=(2, 3)), 0, 1).astype(np.float32)
    logits = np.stack(
        [4 * texture[:, 0] - 1, texture[:, 1] * 8 - texture[:, 2], texture[:, 3] * 2], axis=1
    )[:, : len(CLASSES)]
    marker_z = np.clip(texture * 10 - 1, -3, 3)[:, : len(MARKERS)]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    ends = np.stack([marker_z - 1, marker_z + 1], axis=2)
    feature = np.zeros((len(images), FEATURE_DIM), np.float32)
    pooled = ratio.reshape(len(images), 4, 7, 4, 7, 4).mean(axis=(3, 5))
    feature[:, : pooled[0].size] = pooled.reshape(len(images), -1)
    return Outputs(
        class_logits=logits.astype(np.float32),
        marker_z=marker_z.astype(np.float32),
        class_probability=(powers / powers.sum(axis=1, keepdims=True)).astype(np.float32),
        marker_estimate=np.power(10, marker_z).astype(np.float32),
        marker_interval=np.power(10, ends).astype(np.float32),
        ood_score=texture.mean(axis=1).astype(np.float32),
        reject_probability=np.zeros(len(images), np.float32),
        feature=feature,
    )
