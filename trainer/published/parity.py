"""Whether imported weights say what their authors' code said: reference outputs against torch and both CPU runtimes.

The reference is network input that is already normalised. Torch runs the bare network on it; the runtimes run the
bundle's file, whose own preprocessing is undone first, so that the whole graph is compared.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadInput
from phenostream.engine.types import CROP_PX, F32
from phenostream.trainer.network.graph import LARGEST_INPUT, Preprocess
from phenostream.trainer.network.model import HybridNetwork

TOLERANCE: Final = 1e-4
"""Largest absolute difference of class_logits and marker_z."""
RUNTIMES: Final = ("onnxruntime", "openvino")
_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "x": (4, CROP_PX, CROP_PX),
    "class_logits": (3,),
    "marker_z": (4,),
}
_MOST_CROPS: Final = 4096
_LARGEST_BYTES: Final = 256 << 20
_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Reference:
    """What the authors' code said.

    Attributes:
        x: (N, 4, 28, 28) float32, normalised, order `SHOTS`.
        class_logits: (N, 3) float32.
        marker_z: (N, 4) float32.
    """

    x: F32
    class_logits: F32
    marker_z: F32


@dataclass(frozen=True, slots=True)
class Agreement:
    """Largest absolute differences of one runtime, in float32."""

    runtime: str
    class_logits: float
    marker_z: float

    @property
    def allowed(self) -> float:
        """What either may be."""
        return TOLERANCE

    @property
    def good(self) -> bool:
        """Both within `TOLERANCE`."""
        return max(self.class_logits, self.marker_z) <= TOLERANCE


def load_reference(path: Path) -> Reference:
    """Read a reference: an .npz with x, class_logits and marker_z, one row for each crop; other arrays are not read.

    Raises:
        BadInput: It is no archive of plain arrays, too large, or an array is missing, of another shape, or not finite.
    """
    try:
        with path.open("rb") as file, ArrayArchive(file, _LARGEST_BYTES) as arrays:
            found = {name: arrays.read(name) for name in _SHAPES if name in arrays.sizes}
    except OSError as err:
        raise BadInput(f"{path.name}: cannot be read ({err.strerror or err})") from err
    except BadInput as err:
        raise BadInput(f"{path.name}: not an archive of plain arrays: {err}") from err
    return Reference(**{name: _checked(path.name, name, found) for name in _SHAPES})


def _checked(file: str, name: str, found: dict[str, np.ndarray[Any, Any]]) -> F32:
    if name not in found:
        raise BadInput(f"{file}: {name} is missing; expected {', '.join(_SHAPES)}")
    array, x = found[name], found["x"]
    count = len(x) if x.ndim else 0
    shape = _SHAPES[name]
    if array.dtype.kind != "f" or array.shape != (count, *shape) or not 1 <= count <= _MOST_CROPS:
        raise BadInput(
            f"{file}: {name}: {array.dtype} {array.shape}, expected floats (N, {', '.join(map(str, shape))}) "
            f"with one N from 1 to {_MOST_CROPS}"
        )
    limit = LARGEST_INPUT if name == "x" else float(np.finfo(np.float32).max)
    if not np.abs(array).max() <= limit:
        raise BadInput(f"{file}: {name}: beyond {limit:.3g} or not a number")
    return np.ascontiguousarray(array, dtype=np.float32)


def compare(
    reference: Reference, network: HybridNetwork, bundle: Bundle, preprocess: Preprocess
) -> tuple[Agreement, ...]:
    """Torch, then each of `RUNTIMES` in float32, on the CPU.

    Args:
        reference: What must come out.
        network: The imported weights.
        bundle: Made of them; `preprocess` is what its graph does.
        preprocess: Affine.
    """
    with torch.inference_mode():
        logits, z, _ = network.eval()(torch.from_numpy(reference.x))
    images = _before(preprocess, reference.x)
    background = np.full((len(images), 4), 0.5, np.float32)  # unused by an affine graph
    agreements = [_agreement("torch", reference, logits.numpy(), z.numpy())]
    for name in RUNTIMES:
        backend = open_backend(bundle, name, streams=1, max_batch=_BATCH, precision="fp32")
        try:
            parts = [
                backend.infer(images[i : i + _BATCH], background[i : i + _BATCH])
                for i in range(0, len(images), _BATCH)
            ]
        finally:
            backend.close()
        said = [np.concatenate([getattr(part, key) for part in parts]) for key in _OUTPUTS]
        agreements.append(_agreement(name, reference, *said))
    return tuple(agreements)


_OUTPUTS: Final = ("class_logits", "marker_z")


def _before(preprocess: Preprocess, x: F32) -> F32:
    """The fractions of full scale that an affine preprocessing turns into `x`."""
    fraction: F32 = ((x.astype(np.float64) - preprocess.offset) / preprocess.scale).astype(
        np.float32
    )
    return fraction


def _agreement(runtime: str, reference: Reference, logits: F32, z: F32) -> Agreement:
    return Agreement(
        runtime,
        float(np.abs(logits.astype(np.float64) - reference.class_logits).max()),
        float(np.abs(z.astype(np.float64) - reference.marker_z).max()),
    )
