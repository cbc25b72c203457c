"""The four DPC shots of a BSCCM cell as 28 x 28 pixels of 8 bits, whatever variant they come from.

Knows variants, types and ranges; does not know which cells are wanted. BSCCM's 12-bit images become BSCCMNIST's pixels
by the way its authors made them (`engine.bsccm`); casting them to 8 bits would wrap.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.engine.bsccm import bsccmnist_pixels
from phenostream.engine.errors import BadInput
from phenostream.engine.types import U8
from phenostream.trainer.data.bsccm.chunk_files import check_planes, read_layout, read_plane
from phenostream.trainer.data.bsccm.layout import IMAGE_PX, IMAGES_FOLDER, MOST_COUNTS
from phenostream.trainer.data.bsccm.metadata import Metadata


def read_shots(
    root: Path, metadata: Metadata, data_path: str, global_index: int
) -> npt.NDArray[Any]:
    """The shots of one cell as they are stored: (4, H, W), shots in `SHOTS` order.

    Args:
        root: Of the data set.
        metadata: Of the data set.
        data_path: The cell's folder, from the index.
        global_index: The cell's number.

    Raises:
        BadInput: A chunk is missing or damaged, or the image is not one of this variant.
    """
    folder = root / IMAGES_FOLDER / data_path / "led_array" / f"cell_{global_index}"
    layout = read_layout(folder)
    check_planes(layout, folder, len(metadata.led_channels))
    side, most = IMAGE_PX[metadata.variant], MOST_COUNTS[metadata.variant]
    allowed = ("<u2",) if metadata.variant == "BSCCM" else ("<u2", "|u1")
    if layout.shape[1:] != (side, side) or layout.dtype not in allowed:
        raise BadInput(
            f"{folder}: {layout.dtype} {layout.shape[1:]}, allowed in {metadata.variant}: "
            f"{' or '.join(allowed)} ({side}, {side})"
        )
    shots = np.stack([read_plane(folder, layout, plane) for plane in metadata.shots])
    if int(shots.max()) > most:
        bits = most.bit_length()
        raise BadInput(
            f"{folder}: a count of {shots.max()}, allowed in {metadata.variant} 0 to {most} ({bits} bits)"
        )
    return shots


def small_shots(shots: npt.NDArray[Any], metadata: Metadata) -> U8:
    """Stored shots (..., 4, H, W) as (..., 4, 28, 28) uint8."""
    if metadata.variant == "BSCCM":
        return bsccmnist_pixels(shots)
    return shots.astype(np.uint8)
