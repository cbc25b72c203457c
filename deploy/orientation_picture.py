"""The mean cell of each shot, for people who would rather look: as characters, and as a PNG with its dipole's arrow."""

from collections.abc import Sequence
from math import cos, radians, sin
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput
from phenostream.engine.types import SHOTS

if TYPE_CHECKING:
    from phenostream.deploy.orientation_check import RunOrientation
    from phenostream.engine.optics.orientation import ShotDipole

Image = npt.NDArray[np.uint8]

_TONES: Final = ("-", ":", ".", " ", " ", " ", "░", "▒", "█")
"""From darkest to brightest; the background is blank. Bright and dark sides are scaled apart: a cell is darker in its
dark half than it is brighter in its bright half."""
_CHARACTERS: Final = (9, 18)
_PANEL_PX: Final = 280
_CAPTION_PX: Final = 56
_ARROW_PX: Final = 100
_GREEN, _RED, _WHITE = (80, 200, 80), (70, 70, 240), (235, 235, 235)


def in_characters(portrait: npt.NDArray[np.float64], shot: str) -> list[str]:
    """One shot's mean cell as lines of text, all shots on one scale.

    Args:
        portrait: (4, 28, 28), intensity / background - 1.
        shot: Which of `SHOTS`.
    """
    rows, columns = _CHARACTERS
    small = cv2.resize(portrait[SHOTS.index(shot)], (columns, rows), interpolation=cv2.INTER_AREA)
    brightest, darkest = max(float(portrait.max()), 1e-9), max(-float(portrait.min()), 1e-9)
    part = np.where(small > 0, small / brightest, small / darkest) * 1.2
    tone = (np.clip(part, -1, 1) + 1) / 2 * (len(_TONES) - 1)
    return ["".join(_TONES[round(level)] for level in row) for row in tone.tolist()]


def write_picture(path: Path, judged: Sequence["RunOrientation"]) -> None:
    """Draw one row of panels for each run.

    Raises:
        BadInput: The file cannot be written.
    """
    rows = [_row(one) for one in judged]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 8), (0, width - row.shape[1]), (0, 0))) for row in rows]
    good, data = cv2.imencode(".png", np.concatenate(padded))
    if not good:
        raise BadInput(f"{path}: the picture cannot be encoded")
    try:
        path.write_bytes(data.tobytes())
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err


def _row(one: "RunOrientation") -> Image:
    strongest = max(float(np.abs(one.mean.portrait).max()), 1e-9)
    panels = [
        _panel(one.mean.portrait[SHOTS.index(shot.announced)] / strongest, shot)
        for shot in one.orientation.shots
    ]
    return np.concatenate(panels, axis=1)


def _panel(portrait: npt.NDArray[np.float64], shot: "ShotDipole") -> Image:
    grey = np.clip(128 + 120 * portrait, 0, 255).astype(np.uint8)
    size = (_PANEL_PX, _PANEL_PX)
    large = cv2.cvtColor(cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2BGR)
    colour = _GREEN if shot.right else _RED
    if shot.angle_deg is not None and shot.truth is not None:
        angle, middle = radians(shot.angle_deg), _PANEL_PX // 2
        tip = round(middle + _ARROW_PX * cos(angle)), round(middle - _ARROW_PX * sin(angle))
        cv2.arrowedLine(large, (middle, middle), tip, colour, 4, cv2.LINE_AA, tipLength=0.25)
    caption = np.zeros((_CAPTION_PX, _PANEL_PX, 3), np.uint8)
    verdict = "is itself" if shot.right else f"is really {shot.truth or 'none'}"
    _write(caption, f"announced: {shot.announced}", 22, _WHITE)
    _write(caption, verdict, 46, colour)
    panel: Image = np.concatenate([caption, large]).astype(np.uint8)
    panel[:, -2:] = 0
    return panel


def _write(image: Image, text: str, y: int, colour: tuple[int, int, int]) -> None:
    cv2.putText(image, text, (8, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
