"""Finds white cells on stained smears: the detector's steps with what makes cells visible there, which is colour.

On a Romanowsky stain (Wright, Giemsa) nuclei take up the blue dye and absorb red light; red cells absorb blue light
more than red. The difference of the two optical densities is therefore positive in nuclei, platelets and, weakly, in
the cytoplasm of white cells, and negative in red cells. Smoothed at the scale of a cell it has one maximum per white
cell; each nucleus is then grown into the stained region around it, which is the cell. A neighbour that touches can
hide in the smoothing, so what is left outside the boxes is looked at again.

The clear background between the cells is the white reference, per colour, so the lamp's and camera's colour drop out.
A picture without colour has no white cells here: both densities are equal.

Works on a copy at one scale (a white cell is 48 px), so the same settings serve a field of 640 x 480 and a thumbnail.
Knows arrays; no file and no annotation. Not the path of the daemon, whose frames have no colour.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from phenostream.engine.boxes import overlap, widened
from phenostream.engine.errors import BadConfig, BadFrame
from phenostream.engine.outline import Index
from phenostream.engine.types import F32, U8, Bool

FIELD_CELL_PX: Final = (200.0, 200.0)
"""Height and width of a white cell on the smear fields of 640 x 480 that the settings were chosen on."""
_CELL: Final = 48
_LEAST_CELL_PX: Final = 8.0
_MOST_CELLS: Final = 32
_LEAST_SIDE: Final = 8
_MOST_SIDE: Final = 8192
_DARKEST: Final = 40
_CLEAR_SHARE: Final = 0.2
_SAME_CELL: Final = 0.5
_LOOKS: Final = 3
_ALLOWED: Final = {
    "nucleus": (0.01, 2.0),
    "cytoplasm": (0.01, 2.0),
    "least_stain": (0.0, 2.0),
    "least_nucleus": (0.0, 1.0),
    "scale": (0.05, 1.0),
    "separation": (0.1, 3.0),
    "reach": (0.0, 2.0),
    "neck": (0.0, 0.5),
    "margin": (0.0, 0.5),
}


@dataclass(frozen=True, slots=True)
class StainSettings:
    """What counts as a white cell. Lengths are shares of a white cell's diameter, densities are natural logarithms.

    Attributes:
        nucleus: Least density of red over blue in a nucleus; nuclei reach 0.2 to 0.6, red cells -0.3 to 0.05.
        cytoplasm: Least density of red over blue, plus 0.3 of the green one, in a cell's body.
        least_stain: Weakest maximum of the smoothed stain; platelets reach 0.05, white cells 0.1 to 0.35.
        least_nucleus: Smallest nucleus, area over the square of a cell's diameter.
        scale: Standard deviation of the smoothing.
        separation: Two maxima closer than this are one cell.
        reach: How far a cell's body goes beyond its nucleus.
        neck: Bridges to neighbours thinner than this are cut.
        margin: Width added on each side of a box, as a share of the box.
    """

    nucleus: float = 0.12
    cytoplasm: float = 0.07
    least_stain: float = 0.08
    least_nucleus: float = 0.05
    scale: float = 0.22
    separation: float = 0.9
    reach: float = 0.3
    neck: float = 0.15
    margin: float = 0.03

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            BadConfig: Naming the key, the value and the allowed range.
        """
        for key, (low, high) in _ALLOWED.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise BadConfig(f"stained.{key} {value}: allowed {low} to {high}")


@dataclass(frozen=True, slots=True)
class StainedCells:
    """White cells of one picture, strongest stain first; N may be 0.

    Attributes:
        box: (N, 4) float32: left, top, right, bottom in pixels; 0 is the left or top border of the first pixel,
            and the width of the picture is the right border of its last.
        score: (N,) float32: the smoothed stain at the cell's maximum, an optical density; no probability.
    """

    box: F32
    score: F32

    def __len__(self) -> int:
        """How many cells."""
        return len(self.score)


def find_white_cells(
    picture: U8,
    cell_px: tuple[float, float] = FIELD_CELL_PX,
    settings: StainSettings = StainSettings(),
) -> StainedCells:
    """Find the white cells of one stained picture.

    Args:
        picture: (H, W, 3) uint8, red, green, blue.
        cell_px: Height and width of a typical white cell in this picture; the two differ where a picture was
            squeezed (640 x 480 made 128 x 128: 53 and 40).
        settings: What counts as a white cell.

    Returns:
        Boxes of whole cells; the same picture gives the same boxes.

    Raises:
        BadFrame: Not an RGB picture of uint8, or its sides or the cell's size are beyond what makes sense.
    """
    size = _working_size(picture, cell_px)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    density = _optical_density(small)
    stain = density[..., 0] - density[..., 2]
    body = _body(stain, density[..., 1], settings)
    boxes: list[F32] = []
    strengths: list[np.float32] = []
    for _ in range(_LOOKS):
        seen = _look(stain, body, settings)
        if not seen:
            break
        for box, strength in seen:
            boxes.append(box)
            strengths.append(strength)
            left, top, right, bottom = box.astype(int)
            stain[top:bottom, left:right] = 0
            body[top:bottom, left:right] = False
    wide = widened(np.array(boxes, np.float32).reshape(-1, 4), settings.margin)
    full = np.array(picture.shape[1::-1] * 2, np.float32)
    boxes_px: F32 = np.clip(wide * (full / np.array(size * 2, np.float32)), 0, full)
    return _one_per_cell(boxes_px, np.array(strengths, np.float32))


def _working_size(picture: U8, cell_px: tuple[float, float]) -> tuple[int, int]:
    """Width and height of the copy in which a white cell is `_CELL` pixels."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise BadFrame(
            f"stained picture of shape {picture.shape} {picture.dtype}: expected (H, W, 3) uint8"
        )
    width, height = picture.shape[1::-1]
    for name, side, cell in (("height", height, cell_px[0]), ("width", width, cell_px[1])):
        if not _LEAST_SIDE <= side <= _MOST_SIDE:
            raise BadFrame(
                f"stained picture's {name} {side} px: allowed {_LEAST_SIDE} to {_MOST_SIDE}"
            )
        low, high = max(_LEAST_CELL_PX, side / _MOST_CELLS), 2 * side
        if not low <= cell <= high:
            raise BadFrame(
                f"a white cell's {name} {cell:g} px in a picture of {side}: allowed {low:g} to {high}"
            )
    return max(round(width * _CELL / cell_px[1]), 1), max(round(height * _CELL / cell_px[0]), 1)


def _optical_density(picture: F32) -> F32:
    """-ln(light / clear background) per colour; 0 in corners that a turned picture was filled with (black)."""
    lit = picture.max(axis=2) > _DARKEST
    if not lit.any():
        return np.zeros_like(picture)
    darkest_colour = picture.min(axis=2)
    clear = lit & (darkest_colour >= np.quantile(darkest_colour[lit], 1 - _CLEAR_SHARE))
    background = np.median(picture[clear], axis=0)
    density = -np.log((picture + 1) / (background + 1))
    return np.asarray(np.where(lit[..., None], density, 0), np.float32)


def _body(stain: F32, green: F32, settings: StainSettings) -> Bool:
    """Where white cells may be: stained and no part of a bridge thinner than a neck."""
    stained = _smoothed(stain + 0.3 * green, 0.04) > settings.cytoplasm
    whole = (stained | _nuclei(stain, settings)).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, _disc(settings.neck / 2)) > 0)


def _nuclei(stain: F32, settings: StainSettings) -> Bool:
    return np.asarray(_smoothed(stain, 0.02) > settings.nucleus)


def _look(stain: F32, body: Bool, settings: StainSettings) -> list[tuple[F32, np.float32]]:
    """Box and strength of every cell that stands out, in the copy's pixels."""
    blobs = _smoothed(np.clip(stain, 0, 0.5), settings.scale, cv2.BORDER_CONSTANT)
    row, column = _maxima(blobs, settings)
    nuclei = _nuclei(stain, settings)
    if not len(row) or not nuclei.any():
        return []
    owner = _nearest(_at(row, column, blobs.shape), np.arange(len(row)))[0]
    # A cell's body goes as far as it is nearer to its own nucleus than to another's.
    owner, distance = _nearest(nuclei, owner[nuclei])
    whole = nuclei | (body & (distance < settings.reach * _CELL))
    least = settings.least_nucleus * _CELL**2
    return [
        (_box_of_largest_part(whole & (owner == cell)), blobs[row[cell], column[cell]])
        for cell in range(len(row))
        if (nuclei & (owner == cell)).sum() > least
    ]


def _smoothed(values: F32, scale: float, border: int = cv2.BORDER_REPLICATE) -> F32:
    return np.asarray(
        cv2.GaussianBlur(values, (0, 0), scale * _CELL, borderType=border), np.float32
    )


def _maxima(blobs: F32, settings: StainSettings) -> tuple[Index, Index]:
    near = _disc(settings.separation / 2)
    row, column = np.nonzero((blobs >= cv2.dilate(blobs, near)) & (blobs > settings.least_stain))
    return row, column


def _disc(radius: float) -> U8:
    side = 2 * int(radius * _CELL) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _at(row: Index, column: Index, shape: tuple[int, ...]) -> Bool:
    marked = np.zeros(shape, bool)
    marked[row, column] = True
    return marked


def _nearest(marked: Bool, names: Index) -> tuple[Index, F32]:
    """For each pixel the name of the nearest marked one, of which there is one at least, and how far that is.

    Args:
        marked: (h, w).
        names: Of the marked pixels, in the order of rows.
    """
    distance, label = cv2.distanceTransformWithLabels(
        (~marked).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    name_of = np.zeros(label.max() + 1, np.intp)
    name_of[label[marked]] = names
    return name_of[label], np.asarray(distance, np.float32)


def _box_of_largest_part(cell: Bool) -> F32:
    _, parts = cv2.connectedComponents(cell.astype(np.uint8))
    largest = np.argmax(np.bincount(parts[cell]))
    left, top, width, height = cv2.boundingRect((parts == largest).astype(np.uint8))
    return np.array([left, top, left + width, top + height], np.float32)


def _one_per_cell(boxes: F32, scores: F32) -> StainedCells:
    """Strongest first; what overlaps a stronger box by half is the same cell."""
    order = np.argsort(-scores, kind="stable")
    same = overlap(boxes[order], boxes[order]) > _SAME_CELL
    kept: list[int] = []
    for cell in range(len(order)):
        if not same[cell, kept].any():
            kept.append(cell)
    return StainedCells(boxes[order[kept]], scores[order[kept]])
