"""What the network sees of a single shot: the middle of a picture of 128 camera pixels, at the network's own size.

One function for simulated and real cells. All pictures look like DPC_Left, bright edge on the right, so that turning
one upside down shows a cell that could have been there, and mirroring it does not.
"""

from typing import Final

import cv2
import numpy as np

from phenostream.engine.bsccm import BSCCM_PX
from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32, U8
from phenostream.trainer.classifier.model import View, as_it_is, upside_down
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.data.bsccm_figures import FigureCells

KEPT_PX: Final = 96
"""Side of the middle that is seen, camera pixels of 0.2 µm, as BSCCMNIST has it."""
VIEWS: Final[tuple[View, ...]] = (as_it_is, upside_down)
"""Under which a cell is judged, and its class by their mean."""


def network_planes(planes: U8, side_px: int) -> U8:
    """The middles of (N, 128, 128) planes as (N, 1, side_px, side_px): each pixel the mean of what it covers.

    Raises:
        BadInput: The planes are of another size.
    """
    if planes.shape[1:] != (BSCCM_PX, BSCCM_PX):
        raise BadInput(f"planes: {planes.shape}, expected (N, {BSCCM_PX}, {BSCCM_PX})")
    margin = (BSCCM_PX - KEPT_PX) // 2
    out = np.empty((len(planes), 1, side_px, side_px), np.uint8)
    for plane, seen in zip(planes, out, strict=True):
        middle = plane[margin : margin + KEPT_PX, margin : margin + KEPT_PX]
        seen[0] = cv2.resize(middle, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return out


def figure_pictures(cells: FigureCells, side_px: int) -> Pictures:
    """Real cells as the network sees them, each a group of its own: nobody knows which share a field."""
    group: I32 = np.arange(len(cells), dtype=np.int32)
    return Pictures(network_planes(cells.images, side_px), cells.kind, group, cells.names)
