"""White cells as the single-shot model learns them: drawn in several schools, no one of which it can go by.

The simulator's presets give each class a nucleus of its own form, which a model then goes by, and in one shot real
cells do not show it so. Nobody knows which drawing is right, so a site draws its cells in one of a few schools, which
differ in what tells the classes apart: numbers of granules (SPEC f.3: literature), the nucleus, sizes. All else varies
widely and alike in every class. No range was fitted to a label; that there should be schools, and the first of them,
was decided after real cells had been scored: docs/measurements/real-cells.md.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from phenostream.engine.optics.cells import WhiteCell
from phenostream.engine.optics.presets import Range

_CLIP_SD: Final = 2.5
_ROUND: Final = "lymphocyte"
"""The kind that is drawn with one round nucleus."""


@dataclass(frozen=True, slots=True)
class DrawnRanges:
    """What one class is drawn from; what is not named stays as the preset drew it.

    Attributes:
        diameter_um: Mean and sd in suspension.
        granules: Number of granules, ends.
        round_share: Share of cells with one round nucleus, whatever the class has else.
        round_size: Diameter of such a nucleus over the cell's, ends.
    """

    diameter_um: Range
    granules: Range
    round_share: float = 0.0
    round_size: Range = (0.5, 0.9)


@dataclass(frozen=True, slots=True)
class School:
    """One way to draw: ranges of every class, and ends that hold for all; names are those of `presets.WhiteRanges`."""

    white: dict[str, DrawnRanges]
    height: Range = (0.4, 0.9)
    edge: Range = (0.4, 0.65)
    skirt: Range = (0.0, 0.5)
    body_dn: Range = (0.014, 0.03)
    nucleus_dn: Range = (0.003, 0.02)
    nucleus_texture: Range = (0.02, 0.25)
    body_texture: Range = (0.02, 0.15)
    granule_um: Range = (0.1, 0.25)
    granule_dn: Range = (0.02, 0.045)
    harmonics: float = 0.05


SCHOOLS: Final[dict[str, School | None]] = {
    "preset": None,
    "granules": School(
        white={
            "lymphocyte": DrawnRanges((7.35, 0.63), (5, 30), 1.0, (0.5, 0.92)),
            "granulocyte": DrawnRanges((9.03, 0.74), (120, 260), 0.3, (0.5, 0.88)),
            "monocyte": DrawnRanges((9.66, 0.84), (15, 80), 0.6, (0.5, 0.88)),
        }
    ),
    "nuclei": School(
        white={
            "lymphocyte": DrawnRanges((7.64, 0.76), (5, 40)),
            "granulocyte": DrawnRanges((9.39, 0.89), (70, 220)),
            "monocyte": DrawnRanges((10.05, 1.0), (30, 120)),
        },
        height=(0.4, 0.95),
        body_dn=(0.012, 0.032),
        granule_dn=(0.015, 0.04),
        harmonics=0.06,
    ),
    "granular": School(
        white={
            "lymphocyte": DrawnRanges((7.94, 0.63), (10, 70), 1.0, (0.7, 0.92)),
            "granulocyte": DrawnRanges((9.75, 0.74), (70, 200)),
            "monocyte": DrawnRanges((10.43, 0.84), (40, 140), 0.7, (0.5, 0.78)),
        },
        height=(0.45, 0.9),
        nucleus_dn=(0.004, 0.018),
        nucleus_texture=(0.05, 0.25),
        body_texture=(0.03, 0.12),
        granule_dn=(0.015, 0.038),
    ),
}
"""By name; None draws as the preset does."""


def redrawn(cell: WhiteCell, school: School, rng: np.random.Generator) -> WhiteCell:
    """A cell of the same class and place as the school draws it.

    Its `kind` says how its nucleus is drawn, which may be another class' way; which class it is, the caller knows.
    """
    own = school.white[cell.kind]
    mean, sd = own.diameter_um
    if rng.random() < own.round_share:
        cell = replace(cell, kind=_ROUND, nucleus_size=rng.uniform(*own.round_size))
    return replace(
        cell,
        diameter_um=mean + sd * float(np.clip(rng.standard_normal(), -_CLIP_SD, _CLIP_SD)),
        granules=round(rng.uniform(*own.granules)),
        height=rng.uniform(*school.height),
        edge=rng.uniform(*school.edge),
        skirt=rng.uniform(*school.skirt),
        body_dn=rng.uniform(*school.body_dn),
        nucleus_dn=rng.uniform(*school.nucleus_dn),
        nucleus_texture=rng.uniform(*school.nucleus_texture),
        body_texture=rng.uniform(*school.body_texture),
        granule_um=school.granule_um,
        granule_dn=rng.uniform(*school.granule_dn),
        harmonics=school.harmonics,
    )
