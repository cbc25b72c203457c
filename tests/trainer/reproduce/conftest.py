"""Mirrors of BSCCM that are quick to write: the true layout, but a cell is a blob whose size tells its kind."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.optics.cells import SimulatedObject, kind_index
from phenostream.trainer.data.bsccm import mirror_cells, mirror_census
from phenostream.trainer.data.bsccm.mirror import MirrorSettings, write_mirror

_RADIUS_PX = (
    12.0,
    19.0,
    26.0,
    31.0,
    7.0,
)  # of lymphocytes, granulocytes, monocytes, red cells, debris
_MIDDLE = np.indices((128, 128)) - 63.5


def _blob(shown: SimulatedObject, _pixel_um: float, _optics: object) -> npt.NDArray[np.float32]:
    """(4, 128, 128) shots of a smooth ball lit from each side, as shares of the background."""
    radius = _RADIUS_PX[kind_index(shown.cells[0])]
    height = np.exp(-((_MIDDLE / radius) ** 2).sum(axis=0))
    down, right = _MIDDLE / radius * height
    return np.stack([1 + right, 1 - right, 1 - down, 1 + down]).astype(np.float32)


def write_blobs(root: Path, cells: int) -> Path:
    """A mirror of so many cells with about as many of each class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror_cells, "render_object", _blob)
        patch.setattr(mirror_census, "WHITE_MIX", (0.32, 0.33, 0.35))
        write_mirror(root, MirrorSettings(cells=cells))
    return root


@pytest.fixture(scope="session")
def blob_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """560 cells, enough of each class to calibrate on, too few for a headline; to be read only."""
    return write_blobs(tmp_path_factory.mktemp("mirror") / "BSCCMNIST", 560)


@pytest.fixture(scope="session")
def tiny_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 cells, of which too few have a class; to be read only."""
    return write_blobs(tmp_path_factory.mktemp("tiny") / "BSCCMNIST", 100)
