"""Composes frames of real cells: the two four-shot BSCCM cells on one background, in every turn and mirror.

The published figures are 8-bit, min-max stretched and re-sampled: 128 camera pixels of 0.2 µm are 96 (or 134) figure
pixels. So the frames keep the figures' own sampling, 25.6 µm / 96 = 0.2667 µm a pixel, and each shot is brought to one
background level and contrast: a figure value v becomes 1 + gain (v - background), the four gains of a cell being those
for which left + right = top + bottom (light adds), their mean one constant for all. Turns move the shots by
`engine.optics.symmetry`. What the stretch lost (absolute contrast, offsets) is not recovered: these frames test
detection, positions and determinism, not the four-shot residual and not any number of the model.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.optics import symmetry
from phenostream.engine.types import CROP_PX, REDUCED_PIXEL_UM, SHOTS

F64 = npt.NDArray[np.float64]
U16 = npt.NDArray[np.uint16]

FIGURES: Final = (
    Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "bsccm_figures" / "png"
)
CELLS: Final = ("quad11", "quad26")
SIDE_PX: Final = 96
PIXEL_SIZE_UM: Final = 128 * 0.2 / SIDE_PX
FRAME_PX: Final = 320
DARK_LEVEL: Final = 30.0
WHITE_LEVEL: Final = 4095.0

_BACKGROUND_COUNTS: Final = 1500.0
_CONTRAST_PER_GREY: Final = 1.0 / 200.0
_KEPT_RADIUS_PX: Final = 37.0
_TAPER_PX: Final = 9.0
_OUTSIDE_RADIUS_PX: Final = 38.0
_INSIDE_RADIUS_PX: Final = 32.0
_SHADING: Final = 0.02
_SEED: Final = 20260


@dataclass(frozen=True, slots=True)
class PlacedCell:
    """One pasted cell.

    Attributes:
        frame_seq: In which frame.
        cell: Which of the two cells.
        element: Turn and mirror, see `engine.optics.symmetry`.
        y_px: Centre, full-resolution pixels, 0 = centre of the first pixel.
        x_px: Likewise.
        edge: Its crop leaves the frame.
    """

    frame_seq: int
    cell: str
    element: int
    y_px: float
    x_px: float
    edge: bool


_GRID: Final = (58, 160, 262)
_EIGHT: Final = tuple((y, x) for y in _GRID for x in _GRID if (y, x) != (160, 160))
_PAIRS: Final = (
    ((75, 70), (75, 132)),
    ((80, 240), (142, 240)),
    ((225, 80), (268, 123)),
    ((240, 213), (240, 275)),
)
FRAMES: Final = 5


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a patch goes: its middle lies half a pixel above and left of (y, x)."""

    frame_seq: int
    cell: str
    element: int
    y: int
    x: int


def layout() -> list[_Spot]:
    """Frame 0: both cells in four turns; 1: mirrored; 2: sparse, one at the edge; 3: pairs 16 µm apart; 4: empty."""
    jitter = np.random.default_rng(_SEED).integers(-4, 5, (2, 8, 2))
    spots = []
    for seq in range(2):
        for k, (y, x) in enumerate(_EIGHT):
            dy, dx = (int(d) for d in jitter[seq, k])
            spots.append(_Spot(seq, CELLS[k % 2], 4 * seq + k // 2, y + dy, x + dx))
    spots += [
        _Spot(2, CELLS[0], 1, 24, 160),
        _Spot(2, CELLS[1], 2, 150, 70),
        _Spot(2, CELLS[0], 7, 215, 235),
    ]
    for k, pair in enumerate(_PAIRS):
        spots += [_Spot(3, cell, 2 * k + n, *pair[n]) for n, cell in enumerate(CELLS)]
    return spots


def compose(figures: Path = FIGURES) -> tuple[U16, list[PlacedCell]]:
    """The frames and where their cells are.

    Args:
        figures: Folder of the figures' PNG files.

    Returns:
        Frames (5, 4, 320, 320) of 12-bit counts, shots in `SHOTS` order, and the cells in order of
        (frame_seq, y, x).
    """
    rng = np.random.default_rng(_SEED + 1)
    patches = {cell: _patch(figures, cell) for cell in CELLS}
    centres = {cell: _centre(figures, cell) for cell in CELLS}
    roughness = {cell: _roughness(patch) for cell, patch in patches.items()}
    weight = _weight()
    frames, cells = np.empty((FRAMES, 4, FRAME_PX, FRAME_PX), np.uint16), []
    for seq in range(FRAMES):
        light = np.zeros((4, FRAME_PX, FRAME_PX))
        covered = np.zeros((FRAME_PX, FRAME_PX))
        for spot in (one for one in layout() if one.frame_seq == seq):
            corner = spot.y - SIDE_PX // 2, spot.x - SIDE_PX // 2
            _add(light, symmetry.apply(np, patches[spot.cell], spot.element) * weight, *corner)
            _add(covered[None], (weight**2)[None], *corner)
            cells.append(_placed(spot, centres[spot.cell]))
        noise = _noise(rng, float(np.mean(list(roughness.values()))))
        light += 1.0 + noise * np.sqrt(np.clip(1.0 - covered, 0.0, 1.0))
        frames[seq] = _expose(light * _shading(rng))
    return frames, sorted(cells, key=lambda one: (one.frame_seq, one.y_px, one.x_px))


def _patch(figures: Path, cell: str) -> F64:
    """(4, 96, 96) contrast around a background of 0."""
    shots = np.stack([_figure(figures, f"{cell}_DPC_{shot.capitalize()}") for shot in SHOTS])
    y, x = (np.indices((SIDE_PX, SIDE_PX)) - (SIDE_PX - 1) / 2) / (SIDE_PX / 2)
    outside = np.hypot(y, x) * SIDE_PX / 2 > _OUTSIDE_RADIUS_PX
    plane = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    for shot in shots:
        coefficients = np.linalg.lstsq(plane[outside], shot[outside], rcond=None)[0]
        shot -= plane @ coefficients
    inside = np.hypot(y, x) * SIDE_PX / 2 < _INSIDE_RADIUS_PX
    balance = shots[:, inside] * np.array([1, 1, -1, -1])[:, None]
    gains = np.linalg.solve(balance @ balance.T, np.ones(4))
    gains *= 4 * _CONTRAST_PER_GREY / gains.sum()
    levelled: F64 = shots * gains[:, None, None]
    return levelled


def _figure(figures: Path, name: str) -> F64:
    """(96, 96) grey values; the figures are 97 wide, the last column is left out."""
    image = cv2.imread(str(figures / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"{figures / name}.png")
    return np.asarray(image[:SIDE_PX, :SIDE_PX], np.float64)


def _centre(figures: Path, cell: str) -> tuple[float, float]:
    """Centroid (y, x) of the cell's published phase above half of its range, from the patch's middle."""
    phase = cv2.GaussianBlur(_figure(figures, f"{cell}_qphase"), (0, 0), 1.5)
    mask = (phase > (phase.min() + phase.max()) / 2).astype(np.uint8)
    _, _, statistics, centroids = cv2.connectedComponentsWithStats(mask)
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    x, y = centroids[largest]
    return float(y) - (SIDE_PX - 1) / 2, float(x) - (SIDE_PX - 1) / 2


def _roughness(patch: F64) -> float:
    """Standard deviation of the real background, all four shots."""
    y, x = np.indices((SIDE_PX, SIDE_PX)) - (SIDE_PX - 1) / 2
    return float(patch[:, np.hypot(y, x) > _OUTSIDE_RADIUS_PX].std())


def _weight() -> F64:
    """1 around the cell, falling smoothly to 0 before the patch's border."""
    y, x = np.indices((SIDE_PX, SIDE_PX)) - (SIDE_PX - 1) / 2
    beyond = np.clip((np.hypot(y, x) - _KEPT_RADIUS_PX) / _TAPER_PX, 0.0, 1.0)
    taper: F64 = 0.5 + 0.5 * np.cos(np.pi * beyond)
    return taper


def _noise(rng: np.random.Generator, sd: float) -> F64:
    """Background as rough and as fine-grained as the real one (neighbours correlate by about 0.7)."""
    white = rng.normal(size=(4, FRAME_PX, FRAME_PX))
    fine = np.stack([cv2.GaussianBlur(shot, (0, 0), 0.85) for shot in white])
    scaled: F64 = fine * (sd / fine.std())
    return scaled


def _shading(rng: np.random.Generator) -> F64:
    """Smooth illumination of each shot, a few per cent."""
    y, x = (np.indices((FRAME_PX, FRAME_PX)) - FRAME_PX / 2) / (FRAME_PX / 2)
    terms = np.stack([x, y, x * x, x * y, y * y])
    shading: F64 = 1.0 + np.tensordot(rng.normal(0, _SHADING / 2, (4, 5)), terms, axes=1)
    return shading


def _add(target: F64, patch: F64, top: int, left: int) -> None:
    height, width = target.shape[-2:]
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + SIDE_PX, height), min(left + SIDE_PX, width)
    target[:, y0:y1, x0:x1] += patch[:, y0 - top : y1 - top, x0 - left : x1 - left]


def _placed(spot: _Spot, centre: tuple[float, float]) -> PlacedCell:
    off_y, off_x = (float(off) for off in symmetry.move(spot.element, *centre))
    y_px, x_px = spot.y - 0.5 + off_y, spot.x - 0.5 + off_x
    half = CROP_PX / 2 * REDUCED_PIXEL_UM / PIXEL_SIZE_UM
    room = min(y_px + 0.5, x_px + 0.5, FRAME_PX - 0.5 - y_px, FRAME_PX - 0.5 - x_px)
    at = round(y_px, 3), round(x_px, 3)
    return PlacedCell(spot.frame_seq, spot.cell, spot.element, *at, room < half)


def _expose(light: F64) -> U16:
    counts = np.rint(DARK_LEVEL + _BACKGROUND_COUNTS * light)
    return np.clip(counts, 0, WHITE_LEVEL).astype(np.uint16)
