"""White cells as the single-shot model learns them: by what tells the classes apart on any microscope, and little else.

The simulator's presets give each class a nucleus of its own form, which a model then goes by, and in one shot real
cells do not show it so. Here the classes keep their sizes and numbers of granules (SPEC f.3: literature); one round
nucleus may stand in each of them, and all else varies widely and alike in every class. No range was fitted to a label,
but this choice among others was made after scoring them on the public cells: docs/measurements/real-cells.md.
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
    """What one class is drawn from here; what is not named here stays as the preset drew it.

    Attributes:
        diameter_um: Mean and sd in suspension.
        granules: Number of granules, ends.
        round_share: Share of cells with one round nucleus, whatever the class has else.
        round_size: Diameter of such a nucleus over the cell's, ends.
    """

    diameter_um: Range
    granules: Range
    round_share: float
    round_size: Range


DRAWN: Final[dict[str, DrawnRanges]] = {
    "lymphocyte": DrawnRanges((7.35, 0.63), (5, 30), 1.0, (0.5, 0.92)),
    "granulocyte": DrawnRanges((9.03, 0.74), (120, 260), 0.3, (0.5, 0.88)),
    "monocyte": DrawnRanges((9.66, 0.84), (15, 80), 0.6, (0.5, 0.88)),
}
HEIGHT: Final[Range] = (0.4, 0.9)
EDGE: Final[Range] = (0.4, 0.65)
SKIRT: Final[Range] = (0.0, 0.5)
BODY_DN: Final[Range] = (0.014, 0.03)
NUCLEUS_DN: Final[Range] = (0.003, 0.02)
NUCLEUS_TEXTURE: Final[Range] = (0.02, 0.25)
BODY_TEXTURE: Final[Range] = (0.02, 0.15)
GRANULE_UM: Final[Range] = (0.1, 0.25)
GRANULE_DN: Final[Range] = (0.02, 0.045)
HARMONICS: Final = 0.05
"""Of every class alike: `presets.WhiteRanges` explains them."""


def redrawn(cell: WhiteCell, rng: np.random.Generator) -> WhiteCell:
    """A cell of the same class and place with sizes, indices, texture and granules drawn from the ranges here.

    Its `kind` says how its nucleus is drawn, which may be another class' way; which class it is, the caller knows.
    """
    own = DRAWN[cell.kind]
    mean, sd = own.diameter_um
    if rng.random() < own.round_share:
        cell = replace(cell, kind=_ROUND, nucleus_size=rng.uniform(*own.round_size))
    return replace(
        cell,
        diameter_um=mean + sd * float(np.clip(rng.standard_normal(), -_CLIP_SD, _CLIP_SD)),
        granules=round(rng.uniform(*own.granules)),
        height=rng.uniform(*HEIGHT),
        edge=rng.uniform(*EDGE),
        skirt=rng.uniform(*SKIRT),
        body_dn=rng.uniform(*BODY_DN),
        nucleus_dn=rng.uniform(*NUCLEUS_DN),
        nucleus_texture=rng.uniform(*NUCLEUS_TEXTURE),
        body_texture=rng.uniform(*BODY_TEXTURE),
        granule_um=GRANULE_UM,
        granule_dn=rng.uniform(*GRANULE_DN),
        harmonics=HARMONICS,
    )
