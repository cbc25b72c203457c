"""What needs no network: colours and edges of the same crops, and a forest of random trees."""

from typing import Final

import cv2
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from phenostream.engine.types import CLASSES, F32, U8
from phenostream.trainer.classifier.fit import drawing_chances
from phenostream.trainer.classifier.pictures import Pictures

_SIDE: Final = 32
_CELL: Final = 8
_DIRECTIONS: Final = 9
_BINS: Final = 8
_TREES: Final = 300
_DRAWN: Final = 3_000


def simple_features(pictures: Pictures) -> F32:
    """(N, D): a histogram of each colour and of pairs of colours, and HOG of the grey picture at 32 px."""
    rows = []
    for image in pictures.images:
        picture = np.ascontiguousarray(np.moveaxis(image, 0, 2))
        colours = [
            cv2.calcHist([picture], planes, None, [_BINS] * len(planes), [0, 256] * len(planes))
            for planes in ([0], [1], [2], [0, 1], [0, 2], [1, 2])
        ]
        area = picture.shape[0] * picture.shape[1]
        rows.append(np.concatenate([*(one.ravel() / area for one in colours), _edges(picture)]))
    return np.array(rows, np.float32)


def _edges(picture: U8) -> F32:
    """Histograms of oriented gradients: 9 directions in cells of 8 px, normalised in blocks of 2 x 2 cells."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    down, across = np.gradient(grey.astype(np.float32))
    strength = np.hypot(down, across)
    direction = (np.arctan2(down, across) % np.pi) * (_DIRECTIONS / np.pi)
    cells = _SIDE // _CELL
    cell = np.arange(_SIDE) // _CELL
    place = (cell[:, None] * cells + cell) * _DIRECTIONS + direction.astype(int) % _DIRECTIONS
    flat = np.bincount(place.ravel(), strength.ravel(), cells * cells * _DIRECTIONS)
    grid = flat.reshape(cells, cells, _DIRECTIONS)
    blocks = [
        grid[row : row + 2, column : column + 2].ravel()
        for row in range(cells - 1)
        for column in range(cells - 1)
    ]
    return np.concatenate([one / (np.linalg.norm(one) + 1) for one in blocks]).astype(np.float32)


def simple_probability(train: Pictures, test: Pictures, seed: int) -> F32:
    """(M, 3) of the test pictures, by 300 trees on 3,000 training pictures, originals drawn alike in each class."""
    rng = np.random.default_rng(seed)
    count = min(_DRAWN, len(train))
    rows = rng.choice(len(train), count, replace=True, p=drawing_chances(train, "groups"))
    chosen = train.select(np.unique(rows))
    trees = ExtraTreesClassifier(
        _TREES, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1
    )
    trees.fit(simple_features(chosen), chosen.kind)
    said = np.zeros((len(test), len(CLASSES)), np.float32)
    said[:, trees.classes_] = trees.predict_proba(simple_features(test))
    return said
