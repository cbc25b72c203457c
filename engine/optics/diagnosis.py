"""Which illumination each announced shot truly is, told from the mean shading dipoles of the cells.

Positive phase (a cell in a medium less dense than itself) is bright on the side toward which the light is tilted: left
on the right, right on the left, top at the top, bottom at the bottom of the image (`illumination.TILT`), on either side
of the focus. Each shot is taken for the illumination whose side its dipole is nearest to; two that are taken for one
must also be one image. Pure: means in, a frozen value out. How often it is right: docs/measurements/orientation.md.
"""

from cmath import phase
from collections.abc import Mapping
from itertools import combinations
from math import atan2, degrees, erfc, hypot, inf, sqrt
from typing import Final

import numpy as np

from phenostream.engine.optics.dipole_sums import MeanDipoles
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.optics.orientation import Fault, Orientation, ShotDipole
from phenostream.engine.optics.orientation_text import in_words
from phenostream.engine.types import SHOTS

LEAST_CELLS: Final = 6
"""Fewer cells do not show how much they differ."""
LEAST_MARGIN: Final = 1.5
"""Every shot's verdict is this many standard errors clear of the next one."""
LEAST_MAGNITUDE: Final = 0.06
"""Mean dipoles below this are no shading by tilted light: cells give 0.3 to 0.5."""
MISSING_SHARE: Final = 0.3
"""A shot whose dipole is below this share of the largest two's has no tilt of its own."""
ALIKE: Final = 0.8
"""Shots whose pixels correlate at least so well show the same light; different ones stayed below 0.6."""
MOST_TURN_DEG: Final = 12.0
"""A camera turned further against the illumination than this is a fault; at 45 degrees sides cannot be told."""
_TURN_MARGIN: Final = 4.0
_TINY: Final = 1e-12

_NAMED: Final[dict[tuple[str, ...], Fault]] = {
    ("left", "right", "top", "bottom"): "ok",
    ("right", "left", "top", "bottom"): "left_right_swapped",
    ("left", "right", "bottom", "top"): "top_bottom_swapped",
    ("right", "left", "bottom", "top"): "half_turn",
    ("bottom", "top", "left", "right"): "quarter_turn_clockwise",
    ("top", "bottom", "right", "left"): "quarter_turn_anticlockwise",
    ("bottom", "top", "right", "left"): "mirrored_diagonally",
    ("top", "bottom", "left", "right"): "mirrored_diagonally",
}
"""What the shots announced as left, right, top, bottom truly are, and what that is called."""


def diagnose(
    mean: MeanDipoles,
    present: tuple[str, ...] = SHOTS,
    *,
    least_cells: float = LEAST_CELLS,
    least_margin: float = LEAST_MARGIN,
) -> Orientation:
    """Say what the shots truly are.

    Args:
        mean: Of many cells.
        present: The shots that were taken, of `SHOTS`; the others are not judged.
        least_cells: Below this nothing is decided.
        least_margin: Standard errors by which every shot's verdict has to be clear.
    """
    shots = tuple(_judge(mean, name, present) for name in SHOTS if name in present)
    likeness = {
        (one.announced, other.announced): _likeness(mean, one, other)
        for one, other in combinations(shots, 2)
        if one.truth is not None and one.truth == other.truth
    }
    turn_deg = _turn_deg(mean, shots)
    doubt = _doubt(mean.cells, shots, least_cells, least_margin) or _unlike(likeness)
    fault, channel_map = ("undecided", None) if doubt else _named(shots, likeness, turn_deg)
    text = doubt[0] if doubt else in_words(fault, shots, likeness, turn_deg)
    return Orientation(
        fault=fault,
        text=text,
        confidence=float(np.prod([_normal(shot.margin) for shot in shots])) if mean.cells else 0.0,
        cells=mean.cells,
        shots=shots,
        channel_map=channel_map,
        turn_deg=turn_deg,
        more_cells=doubt[1] if doubt else None,
    )


def _judge(mean: MeanDipoles, name: str, present: tuple[str, ...]) -> ShotDipole:
    """The side a shot's dipole is nearest to, or none where it is far weaker than the others'."""
    index = SHOTS.index(name)
    y, x = (float(part) for part in mean.vector[index])
    lit, length = bool(mean.lit[index] > 0.5), hypot(y, x)
    error = sqrt(max(float(np.trace(mean.covariance[index])) / 2, _TINY))
    lengths = sorted(hypot(*mean.vector[SHOTS.index(other)]) for other in present)
    clear = (length - MISSING_SHARE * float(np.mean(lengths[-2:]))) / error
    along = sorted(((y * ty + x * tx, side) for side, (ty, tx) in TILT.items()), reverse=True)
    truth: str | None = along[0][1]
    margin = min(clear, _side_margin(mean, index, along[0][1], along[1][1]))
    if not lit or clear < 0:
        truth, margin = None, inf if not lit else -clear
    angle = degrees(atan2(-y, x)) if lit and length > 0 else None
    return ShotDipole(name, truth, length, angle, error, margin, lit)


def _side_margin(mean: MeanDipoles, index: int, best: str, second: str) -> float:
    """Standard errors between the dipole's part along its nearest side and along the next."""
    apart = np.subtract(TILT[best], TILT[second], dtype=float)
    error = sqrt(max(float(apart @ mean.covariance[index] @ apart), _TINY))
    return float(apart @ mean.vector[index]) / error


def _doubt(
    cells: float, shots: tuple[ShotDipole, ...], least_cells: float, least_margin: float
) -> tuple[str, int | None] | None:
    """Why nothing is decided, and about how many more cells would help."""
    if cells < least_cells:
        more = max(1, round(least_cells - cells))
        return f"not enough cells: {cells:.0f}, at least {more} more are needed", more
    if max(shot.magnitude for shot in shots) < LEAST_MAGNITUDE:
        return "no shot shows cells that are brighter on one side: no tilted light", None
    worst = min(shots, key=lambda shot: shot.margin)
    if worst.margin >= least_margin:
        return None
    more = round(cells * ((least_margin / max(worst.margin, 0.5)) ** 2 - 1)) + 1
    return (
        f"the {worst.announced} shot cannot be told yet: about {more} more cells are needed",
        more,
    )


def _unlike(likeness: Mapping[tuple[str, str], float]) -> tuple[str, None] | None:
    """Two shots with one dipole whose pixels are not alike are no repeat, and what they are is not known."""
    for (one, other), alike in likeness.items():
        if alike < ALIKE:
            return (
                f"{one} and {other} are bright on one side, but are not one image (correlation "
                f"{alike:.2f}): mixed light, or no cells"
            ), None
    return None


def _named(
    shots: tuple[ShotDipole, ...], likeness: Mapping[tuple[str, str], float], turn_deg: float
) -> tuple[Fault, Mapping[str, str] | None]:
    if any(shot.truth is None for shot in shots):
        return "missing", None
    if likeness:
        return "repeated", None
    found = _completed({shot.announced: str(shot.truth) for shot in shots})
    fault = _NAMED.get(tuple(found[name] for name in SHOTS), "permuted")
    if fault == "ok":
        return "turned" if turn_deg else "ok", None
    return fault, found


def _completed(found: Mapping[str, str]) -> dict[str, str]:
    """A whole permutation: shots that were not taken stay what they are called as far as that is free."""
    whole = dict(found)
    for name in SHOTS:
        if name not in whole and name not in whole.values():
            whole[name] = name
    free = iter([name for name in SHOTS if name not in whole.values()])
    return {name: whole[name] if name in whole else next(free) for name in SHOTS}


def _likeness(mean: MeanDipoles, one: ShotDipole, other: ShotDipole) -> float:
    return float(mean.likeness[SHOTS.index(one.announced), SHOTS.index(other.announced)])


def _turn_deg(mean: MeanDipoles, shots: tuple[ShotDipole, ...]) -> float:
    """Angle by which the dipoles together stand off their axes; 0 unless it is large and certain."""
    told = [shot for shot in shots if shot.truth is not None]
    together = complex(0.0)
    for shot in told:
        (y, x), (side_y, side_x) = mean.vector[SHOTS.index(shot.announced)], TILT[str(shot.truth)]
        together += complex(x, -y) * complex(side_x, -side_y).conjugate()
    if not together:
        return 0.0
    turn = phase(together)
    error = float(np.mean([shot.standard_error for shot in told])) * sqrt(len(told)) / abs(together)
    certain = abs(turn) > _TURN_MARGIN * error and abs(degrees(turn)) > MOST_TURN_DEG
    return degrees(turn) if certain else 0.0


def _normal(margin: float) -> float:
    """Probability that a normal deviate is below `margin`."""
    return erfc(-margin / sqrt(2)) / 2
