"""The words of the domain as frozen values: camera, reduced frame, detections, crops, predictions.

Knows array shapes, units and orders; does not know files, sockets or how anything is computed. Per-cell data are
columns (one array per quantity, first axis = cell), never objects.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Raw counts of one shot, (H, W)."""
Frame = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Raw counts of a frame's shots in one array, (shots, H, W)."""

SHOTS: Final = ("left", "right", "top", "bottom")
"""Shot order everywhere inside phenostream; the wire may announce another and is mapped at the door."""
CLASSES: Final = ("lymphocyte", "granulocyte", "monocyte")
"""Gate classes (SPEC a.5), in the order of `class_logits`."""
MARKERS: Final = ("CD123/HLA-DR/CD14", "CD3/CD19/CD56", "CD45", "CD16")
"""Pooled fluorescence channels (SPEC a.6), in the order of `marker_z`; a pool is one number for several proteins."""
CROP_PX: Final = 28
"""Side of a crop in reduced pixels."""
REDUCED_PIXEL_UM: Final = 0.686
"""Pixel of the reduced frame, µm at the sample (96/28 of 0.2 µm: the BSCCMNIST pixel, SPEC a.3)."""
SMALLEST_PIXEL_UM: Final = 0.05
LARGEST_PIXEL_UM: Final = 0.9
"""Larger camera pixels than the reduced one are interpolated and flagged, up to this; what they cost in class accuracy
and in red cells that pass for white ones: docs/measurements/field.md."""
RING_PX: Final = 2
"""Width of the crop's outer ring whose per-shot median is the background."""
FEATURE_DIM: Final = 256

PixelType = Literal["u8", "u16"]
ReductionKernel = Literal["area", "bsccm-gaussian"]
Present = tuple[bool, bool, bool, bool]
"""Which of `SHOTS` a frame has."""
ALL_PRESENT: Final[Present] = (True, True, True, True)


@dataclass(frozen=True, slots=True)
class Camera:
    """What the microscope said about its pixels at START.

    Attributes:
        pixel_size_um: Pixel pitch at the sample, µm; 0.05 to 0.9.
        dark_level: Counts with the light off.
        white_level: Counts at saturation; above ``dark_level``.
        dtype: ``u8`` or little-endian ``u16``.
    """

    pixel_size_um: float
    dark_level: float
    white_level: float
    dtype: PixelType


@dataclass(frozen=True, slots=True)
class FrameFlags:
    """What makes the cells of a frame doubtful; never a reason to withhold it. Limits: `engine/frame_checks.py`.

    Attributes:
        dark: A shot's background is below 2 % of full scale.
        saturated: 1 % of a shot's pixels, or more, are at white.
        noisy: A camera pixel's noise exceeds 30 % of its level.
        undersampled: The camera's pixel is larger than 0.686 µm: the model sees less than it was trained on.
        residual_high: Light does not add: the four-shot residual is above what noise and good cells explain.
        misoriented: The shots of the run so far are not what they are called.
    """

    dark: bool = False
    saturated: bool = False
    noisy: bool = False
    undersampled: bool = False
    residual_high: bool = False
    misoriented: bool = False


NO_FLAGS: Final = FrameFlags()


@dataclass(frozen=True, slots=True)
class Reduced:
    """One frame at 0.686 µm/px, flat-fielded.

    Attributes:
        shots: (4, h, w) float32, fraction of full scale, (count - dark) / (white - dark). A shot that was not taken
            is flat, at the mean background of those that were: divided by its background it says nothing.
        factor: Full-resolution pixels per reduced pixel (0.686 / pixel_size_um); below 1 for an undersampled frame.
        four_shot_residual: How far light fails to add: sum of |left + right - top - bottom| over sum of
            |left - right| + |top - bottom|, shots normalised, over the pixels that the sample shades (six times the
            median shading). About 0.02 for a good frame, 0.07 and more for a shot that is missing, repeated,
            moved or swapped across the pairs; 1 where only some shots have light; None where it cannot be measured,
            because nothing shades the light or a shot was not taken. A flag, never a reason to withhold.
        flags: What else speaks against the frame.
        present: Which of `SHOTS` were taken.
        levels: Background level of each shot that was taken, in `SHOTS` order, fraction of full scale.
    """

    shots: F32
    factor: float
    four_shot_residual: float | None
    flags: FrameFlags = NO_FLAGS
    present: Present = ALL_PRESENT
    levels: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Detections:
    """Cells found in one reduced frame, in order of (y, x). N may be 0.

    Attributes:
        y: (N,) float32, reduced pixels, 0 = centre of the first pixel.
        x: (N,) float32, likewise.
        diameter_um: (N,) float32, apparent diameter.
        contrast: (N,) float32, strength of the detection in units of the frame's background noise.
        edge: (N,) bool, the 28-pixel crop would leave the frame: found, not classified.
    """

    y: F32
    x: F32
    diameter_um: F32
    contrast: F32
    edge: Bool

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True)
class Crops:
    """Model input. N may be 0.

    Attributes:
        images: (N, 4, 28, 28) float32, fraction of full scale.
        background: (N, 4) float32, per-shot median of the crop's outer two-pixel ring.
    """

    images: F32
    background: F32

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the one graph returns for N crops (DESIGN, "The bundle"); float32 unless a caller narrows it.

    Attributes:
        class_logits: (N, 3), raw, order `CLASSES`.
        marker_z: (N, 4), z-scored targets on the manifest's scale, order `MARKERS`.
        class_probability: (N, 3), after temperature and prior; rows sum to 1.
        marker_estimate: (N, 4), in the manifest's declared unit.
        marker_interval: (N, 4, 2), lower and upper end at the manifest's declared coverage, same unit.
        ood_score: (N,), larger = less like the training cells.
        reject_probability: (N,), probability that this is no white cell (red cell, debris, empty tile).
        feature: (N, 256), the shared representation.
    """

    class_logits: F32
    marker_z: F32
    class_probability: F32
    marker_estimate: F32
    marker_interval: F32
    ood_score: F32
    reject_probability: F32
    feature: F32

    def __len__(self) -> int:
        return len(self.class_logits)

    def most_probable(self) -> U8:
        """(N,) index of the most probable class; the prior of the probabilities has its say in it."""
        chosen: U8 = self.class_probability.argmax(axis=1).astype(np.uint8)
        return chosen

    def finite_rows(self) -> Bool:
        """(N,) crops whose every output is finite."""
        finite = np.ones(len(self), np.bool_)
        for name in OUTPUT_SHAPES:
            column: F32 = getattr(self, name)
            finite &= np.isfinite(column.reshape(len(self), -1)).all(axis=1)
        return finite

    def take(self, rows: Bool | slice) -> "Outputs":
        """The same outputs of some of the crops."""
        return Outputs(*(getattr(self, name)[rows] for name in OUTPUT_SHAPES))


OUTPUT_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "class_logits": (3,),
    "marker_z": (4,),
    "class_probability": (3,),
    "marker_estimate": (4,),
    "marker_interval": (4, 2),
    "ood_score": (),
    "reject_probability": (),
    "feature": (FEATURE_DIM,),
}
"""Graph outputs in order, with their shape after the batch axis."""
