"""The light of an empty field, to divide frames by: as it was recorded, or as a run's first frames show it.

Both keep what a smooth surface cannot: dust that lies on the same camera pixels in every frame. Knows reduced frames;
no camera, no files, no runs.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput
from phenostream.engine.flatfield import FULL_DEGREE, FlatField
from phenostream.engine.frame_checks import LEAST_LEVEL
from phenostream.engine.types import F32

U16 = npt.NDArray[np.uint16]

LEAST_FRAMES: Final = 8
MOST_STACK_BYTES: Final = 256 << 20
"""What the frames of one estimate may hold; of larger frames fewer are taken."""
_LEAST_RELATIVE, _MOST_RELATIVE = 0.1, 10.0
_STEPS: Final = 1 << 13
_ROWS: Final = 16
_SIGNIFICANT: Final = 6.0
_LEAST_DUST: Final = 0.01
_SLOW_PX: Final = 20.0
_MOST_SLOW: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """What a frame is divided by.

    Attributes:
        relative: (n, h, w) float32, light of the empty field over its mean level; the shots that were taken, in `SHOTS`
            order. Finite, 0.1 to 10.
        dark: (h, w) float32, what the covered camera sees beyond START's `dark_level`, fraction of full scale; or None.
    """

    relative: F32
    dark: F32 | None = None

    @property
    def identity(self) -> str:
        """12 digits of a SHA-256: the same for the same pixels."""
        digest = hashlib.sha256(self.relative.tobytes())
        if self.dark is not None:
            digest.update(self.dark.tobytes())
        return digest.hexdigest()[:12]


def frames_that_fit(shape: tuple[int, int, int], wanted: int) -> int:
    """How many of the wanted frames a background is made of: as many as 256 MiB hold.

    Args:
        shape: (n, h, w) of a frame's light.
        wanted: Frames.

    Raises:
        BadInput: Not even eight frames of this size fit.
    """
    one = 2 * int(np.prod(shape, dtype=np.int64))
    frames = min(max(wanted, LEAST_FRAMES), MOST_STACK_BYTES // one)
    if frames < LEAST_FRAMES:
        raise BadInput(
            f"background: {LEAST_FRAMES} reduced frames of {shape[0]} x {shape[1]} x {shape[2]} need "
            f"{LEAST_FRAMES * one} bytes, allowed {MOST_STACK_BYTES}"
        )
    return frames


class BackgroundStack:
    """Gathers the light of frames of one camera, pixel by pixel; the order in which they come does not matter.

    Attributes:
        wanted: Frames to gather; fewer than asked for where they would need more than 256 MiB.
    """

    def __init__(self, shape: tuple[int, int, int], wanted: int) -> None:
        """Allocate.

        Args:
            shape: (n, h, w) of a frame's light.
            wanted: Frames to gather.

        Raises:
            BadInput: Not even eight frames of this size fit.
        """
        self.wanted = frames_that_fit(shape, wanted)
        self._stack: U16 = np.empty((self.wanted, *shape), np.uint16)
        self._levels: list[F32] = []
        self._flat_field = FlatField(shape[1:])

    def __len__(self) -> int:
        return len(self._levels)

    @property
    def full(self) -> bool:
        """Whether all frames are here."""
        return len(self) == self.wanted

    def add(self, light: F32) -> bool:
        """Take one frame, unless all are here or a shot of it has no light; whether it was taken.

        Args:
            light: (n, h, w) float32, fraction of full scale, not divided by anything; only read.
        """
        levels = self._flat_field.levels(light)
        if self.full or (levels < LEAST_LEVEL).any():
            return False
        relative = light * (np.float32(_STEPS) / levels)[:, None, None]
        np.clip(relative, 0, 65535, out=relative)
        np.rint(relative, out=relative)
        self._stack[len(self)] = relative
        self._levels.append(levels)
        return True

    def median(self) -> F32:
        """(n, h, w) float32: the median over the frames, each first brought to its own mean level.

        Raises:
            BadInput: Fewer than eight frames were taken.
        """
        if len(self) < LEAST_FRAMES:
            raise BadInput(f"background: {len(self)} frames with light, at least {LEAST_FRAMES}")
        taken = self._stack[: len(self)]
        result = np.empty(taken.shape[1:], np.float32)
        for top in range(0, taken.shape[2], _ROWS):
            rows = np.ascontiguousarray(np.moveaxis(taken[:, :, top : top + _ROWS], 0, -1))
            rows.sort(axis=-1)
            low, high = (rows.shape[-1] - 1) // 2, rows.shape[-1] // 2
            result[:, top : top + _ROWS] = np.add(rows[..., low], rows[..., high], dtype=np.float32)
        result *= np.float32(0.5 / _STEPS)
        return result


def of_empty_field(median: F32, dark: F32 | None = None) -> Background:
    """Of frames without cells: every pixel as it was seen.

    Args:
        median: From `BackgroundStack.median`.
        dark: See `Background`.
    """
    return Background(_bounded(median / median.mean(axis=(1, 2), keepdims=True)), dark)


def smooth_surface(median: F32) -> Background:
    """Nothing but a smooth surface through a median of frames: what stands still in all of them stays to be seen.

    A surface as for one frame. Frames too small for one of the fourth degree keep also what is left of slow shading,
    for which a median of frames is quiet enough: details smaller than 20 reduced pixels (14 µm) are blurred away, and
    those of more than 15 % hardly count. (A large frame gains nothing by it: what is left there is of cells.)
    """
    flat = median.copy()
    flat_field = FlatField(median.shape[1:])
    levels = flat_field.remove(flat)
    surface = median / np.maximum(flat, np.float32(1e-3))
    small = flat_field.degree < FULL_DEGREE
    for shot, one, level in zip(surface, flat, levels, strict=True) if small else ():
        left = np.clip(one / level, np.float32(1 - _MOST_SLOW), np.float32(1 + _MOST_SLOW))
        shot *= _blurred(left)
    return Background(_bounded(surface / surface.mean(axis=(1, 2), keepdims=True)))


def of_cells(median: F32) -> Background:
    """Of frames with cells that moved: a smooth surface, and of the rest only what all shots show alike, such as dust.

    What the median has left of cells is opposite in opposite shots and cancels in their mean; dust does not. Where the
    mean departs by six standard deviations (and 1 %), with a pixel around, each shot keeps what it shows; elsewhere
    the surface alone counts, which is smoother than any median of frames.

    Args:
        median: From `BackgroundStack.median`.
    """
    surface = smooth_surface(median).relative
    detail = median / surface
    detail /= np.median(detail, axis=(1, 2), keepdims=True)
    common = detail.mean(axis=0) - np.float32(1)
    spread = 1.4826 * float(np.median(np.abs(common)))
    dusty = np.abs(common) > max(_SIGNIFICANT * spread, _LEAST_DUST)
    near = cv2.dilate(dusty.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    relative = np.where(near, surface * detail, surface)
    return Background(_bounded(relative / relative.mean(axis=(1, 2), keepdims=True)))


def _blurred(image: F32) -> F32:
    """Blurred by a Gaussian of `_SLOW_PX`, computed at a quarter of the size."""
    height, width = image.shape
    small = cv2.resize(
        image, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), _SLOW_PX / 4, borderType=cv2.BORDER_REFLECT)
    return np.asarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )


def _bounded(relative: F32) -> F32:
    return np.asarray(np.clip(relative, _LEAST_RELATIVE, _MOST_RELATIVE), np.float32)
