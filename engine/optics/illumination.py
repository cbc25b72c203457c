"""Which LEDs are lit in each of the four shots, as transverse directions in the frame's own axes.

Knows the half-annuli of DPC and their signs; does not know cells or how an image forms. Directions are numerical
apertures (lateral direction cosines), x to the right and y down as in the frame. A shot is named after the half of the
dome whose light is on as the microscope's maker counts it, and a cell with positive phase is bright on the side toward
which the light is tilted: DPC_Left tilts toward +x and has its bright edge on the right.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadConfig
from phenostream.engine.types import SHOTS

F64 = npt.NDArray[np.float64]

TILT: Final[dict[str, tuple[int, int]]] = {
    "left": (0, 1),
    "right": (0, -1),
    "top": (-1, 0),
    "bottom": (1, 0),
}
"""Direction (y down, x right) of each shot's mean tilt, and so of a cell's bright edge."""


@dataclass(frozen=True, slots=True)
class Illumination:
    """The full ring of LEDs and which of them each shot lights.

    Attributes:
        na_y: (J,) direction of each LED along y (down), in NA.
        na_x: (J,) along x (right).
        lit: (4, J) bool, shots in `SHOTS` order; a LED on an axis is lit in both halves that it borders.
    """

    na_y: F64
    na_x: F64
    lit: npt.NDArray[np.bool_]


@lru_cache(maxsize=8)
def half_annuli(
    na_inner: float = 0.4, na_outer: float = 0.5, rings: int = 2, per_ring: int = 40
) -> Illumination:
    """The four half-annuli of DPC on rings of equal area, exactly closed under mirrors and quarter turns.

    Each point is one of the images of a direction in the first octant, so that symmetry holds to the last bit.

    Args:
        na_inner: Inner edge of the annulus.
        na_outer: Outer edge; inside the objective's NA for a bright field.
        rings: Rings of points between the edges, each at the radius that halves its share of the area.
        per_ring: Points on a ring, a multiple of 8.

    Raises:
        BadConfig: The annulus or the number of points is impossible.
    """
    if not 0.0 < na_inner < na_outer < 1.0:
        raise BadConfig(f"annulus {na_inner}..{na_outer}: need 0 < inner < outer < 1")
    if rings < 1 or per_ring < 8 or per_ring % 8:
        raise BadConfig(f"rings {rings} x {per_ring} points: need >= 1 ring of a multiple of 8")
    points: set[tuple[float, float]] = set()
    for ring in range(rings):
        share = (ring + 0.5) / rings
        radius = sqrt(na_inner**2 + share * (na_outer**2 - na_inner**2))
        for step in range(per_ring // 8 + 1):
            points |= _octant_images(
                radius, 2 * pi * step / per_ring, diagonal=8 * step == per_ring
            )
    ordered = np.array(sorted(points), dtype=np.float64)
    na_y, na_x = ordered[:, 0].copy(), ordered[:, 1].copy()
    lit = np.stack([na_y * TILT[s][0] + na_x * TILT[s][1] >= 0 for s in SHOTS])
    for array in (na_y, na_x, lit):
        array.setflags(write=False)
    return Illumination(na_y, na_x, lit)


def _octant_images(radius: float, angle: float, diagonal: bool) -> set[tuple[float, float]]:
    a, b = radius * cos(angle), radius * sin(angle)
    if diagonal:
        b = a
    return {
        (s * u + 0.0, t * v + 0.0) for u, v in ((a, b), (b, a)) for s in (1, -1) for t in (1, -1)
    }
