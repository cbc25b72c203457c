"""From smear pictures to what the classifier is fed: the cell of each, cut out."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import I32
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.data.bccd.cell_crop import cell_crop
from phenostream.trainer.data.bccd.smears import Smears


def feed(
    smears: Smears,
    rows: npt.NDArray[np.intp],
    original: I32,
    side_px: int,
    on_picture: Callable[[], None] = lambda: None,
) -> Pictures:
    """Crops of some pictures; groups are their originals.

    Args:
        smears: The pictures.
        rows: Of those that are wanted, M of them.
        original: (N,) of all.
        side_px: Of a crop.
        on_picture: Called for each, for a progress bar.
    """
    crops = np.zeros((len(rows), 3, side_px, side_px), np.uint8)
    for place, row in enumerate(rows.tolist()):
        crops[place] = cell_crop(smears.images[row], side_px)
        on_picture()
    names = tuple(smears.names[row] for row in rows.tolist())
    return Pictures(crops, smears.kind[rows], original[rows], names)
