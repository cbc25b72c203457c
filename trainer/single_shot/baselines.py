"""What needs no simulator: real cells told apart by other real cells with labels, each left out once.

Size alone, and histograms of oriented gradients with a logistic model. Settings were fixed before they were scored.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from phenostream.engine.optics.measure import apparent_diameter
from phenostream.engine.types import CLASSES, CROP_PX, F32, I32, U8
from phenostream.trainer.single_shot.pictures import network_planes

F64 = npt.NDArray[np.float64]
_CELL_PX: Final = 7
_BINS: Final = 9
_LEAST_NORM: Final = 1e-3


def sizes(images: U8) -> F64:
    """Apparent diameter of each of (N, 128, 128), camera pixels, (N, 1)."""
    return np.array([[apparent_diameter(image)] for image in images], np.float64)


def gradients(images: U8) -> F64:
    """Histograms of oriented gradients of each of (N, 128, 128) at the 28 pixels of BSCCMNIST, (N, 324).

    Cells of 7 px with 9 unsigned directions, blocks of 2 x 2 cells that overlap by one, each of unit length (Dalal and
    Triggs, 2005).
    """
    planes = network_planes(images, CROP_PX)[:, 0].astype(np.float64)
    slope_y, slope_x = np.gradient(planes, axis=(1, 2))
    turn = np.arctan2(slope_y, slope_x) % np.pi / np.pi * _BINS
    low, part = np.floor(turn).astype(int) % _BINS, turn % 1
    size = np.hypot(slope_y, slope_x)
    shares = (low[..., None] == np.arange(_BINS)) * (size * (1 - part))[..., None]
    shares += ((low[..., None] + 1) % _BINS == np.arange(_BINS)) * (size * part)[..., None]
    across = CROP_PX // _CELL_PX
    cells = shares.reshape(-1, across, _CELL_PX, across, _CELL_PX, _BINS).sum(axis=(2, 4))
    corners = [cells[:, y : y + across - 1, x : x + across - 1] for y in (0, 1) for x in (0, 1)]
    blocks = np.concatenate(corners, axis=-1)
    norm = np.linalg.norm(blocks, axis=-1, keepdims=True)
    blocks = np.minimum(blocks / (norm + _LEAST_NORM), 0.2)
    unit: F64 = blocks / (np.linalg.norm(blocks, axis=-1, keepdims=True) + _LEAST_NORM)
    return unit.reshape(len(images), -1)


def left_out_once(features: F64, kind: I32) -> F32:
    """Class probabilities (N, 3) of each row by a logistic model of the other rows, every class weighing the same.

    Args:
        features: (N, F).
        kind: (N,) class of each, at least two rows of each class that is there.
    """
    out = np.zeros((len(kind), len(CLASSES)), np.float32)
    for row in range(len(kind)):
        others = np.arange(len(kind)) != row
        model = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2_000)
        )
        model.fit(features[others], kind[others])
        out[row, model.classes_] = model.predict_proba(features[row : row + 1])[0]
    return out
