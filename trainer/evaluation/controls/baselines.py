"""What the network must beat: the commonest class, linear and small models on pixels, and the size of the cell alone.

Each is fitted on the training cells and judged on the test cells exactly as the network is. Knows cell sets and
arrays; the pictures and the prose belong to the report.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.optics import symmetry
from phenostream.engine.types import CLASSES, F32, I32, MARKERS
from phenostream.trainer.data.cell_set import CellSet, concatenate
from phenostream.trainer.evaluation.controls.simple_models import F64, Strength, fit_simple
from phenostream.trainer.evaluation.controls.size_model import size_features

_LEAST_LEVEL: Final = 1e-3
_MOST_ROWS: Final = 8_000
"""Training rows of the models on pixels, augmented copies counted."""
_COPIES: Final = 4


@dataclass(frozen=True, slots=True)
class SimpleAnswer:
    """What a simple model says of N test cells.

    Attributes:
        name: Of the model.
        what: One sentence: input, model, what it was fitted on.
        kind: (N,) called class, or None.
        marker_log10: (N, 4) log10 levels, NaN where a marker is not modelled.
    """

    name: str
    what: str
    kind: I32 | None
    marker_log10: F32


def baseline_answers(
    train: CellSet, test: CellSet, population: F64 | None, seed: int
) -> tuple[SimpleAnswer, ...]:
    """All baselines.

    Args:
        train: What the network learnt from.
        test: What it is judged on.
        population: Class shares (3,) that the network's probabilities are corrected to; None where they are not.
        seed: Of the augmentation and the MLP.
    """
    return (
        majority(train, test, population),
        size_only(train, test, population),
        *on_pixels(train, test, population, seed),
    )


def majority(train: CellSet, test: CellSet, population: F64 | None = None) -> SimpleAnswer:
    """The commonest class for every cell, and each marker's mean."""
    shares = np.bincount(train.kind[train.white], minlength=len(CLASSES)).astype(np.float64)
    commonest = int((shares if population is None else population).argmax())
    said = np.full((len(test), len(MARKERS)), np.nan, np.float32)
    return SimpleAnswer(
        "majority",
        f"{CLASSES[commonest]} for every cell; looks at none.",
        np.full(len(test), commonest, np.int32),
        said,
    )


def size_only(train: CellSet, test: CellSet, population: F64 | None = None) -> SimpleAnswer:
    """Classes and markers from area, integrated phase and integrated |DPC|."""
    model = fit_simple(_size(train), train, Strength(penalty=1e-5))
    features = _size(test)
    return SimpleAnswer(
        "size only",
        "Area, integrated Tikhonov phase and integrated |DPC| of the cell, their logarithms up to the second degree; "
        f"logistic and ridge regression on {len(train)} training cells.",
        model.kind(features, population),
        model.marker_log10(features),
    )


def size_marker_model(train: CellSet) -> Callable[[CellSet], F32]:
    """From cells to log10 marker levels (N, 4), NaN where a marker was not learnt, by size alone."""
    model = fit_simple(_size(train), train, Strength(penalty=1e-5))
    return lambda cells: model.marker_log10(_size(cells))


def on_pixels(
    train: CellSet, test: CellSet, population: F64 | None, seed: int
) -> tuple[SimpleAnswer, SimpleAnswer]:
    """Logistic (ridge for markers) and an MLP on the four shots' contrast, binned 2 x 2, with the same symmetries."""
    wide = augmented(train, seed)
    features, labelled = binned_contrast(wide), wide
    shown = binned_contrast(test)
    answers = []
    for name, strength in (
        ("logistic on pixels", Strength(penalty=_LINEAR_PENALTY, iterations=100)),
        ("MLP on pixels", Strength("MLP", penalty=_MLP_PENALTY, iterations=30, seed=seed)),
    ):
        model = fit_simple(features, labelled, strength)
        form = (
            "one hidden layer of 128"
            if strength.family == "MLP"
            else "multinomial logistic and ridge regression"
        )
        answers.append(
            SimpleAnswer(
                name,
                f"Contrast of the four shots in 2 x 2 pixels (784 numbers); {form}, fitted on {len(wide)} rows: "
                f"{min(len(train), _MOST_ROWS)} training cells and their mirror images and turns.",
                model.kind(shown, population),
                model.marker_log10(shown),
            )
        )
    return answers[0], answers[1]


_LINEAR_PENALTY: Final = 1e-2
_MLP_PENALTY: Final = 2e-2


def augmented(cells: CellSet, seed: int) -> CellSet:
    """At most 8,000 rows: the labelled cells as they are, then copies under random symmetries with their shots."""
    rng = np.random.default_rng([seed, 43])
    useful = np.flatnonzero(cells.white | cells.marker_mask.any(axis=1))
    if len(useful) > _MOST_ROWS:
        useful = np.sort(rng.choice(useful, _MOST_ROWS, replace=False))
    base = cells.select(useful)
    copies = min(_COPIES, _MOST_ROWS // max(1, len(base)))
    turned = [
        _under(base, rng.integers(symmetry.ELEMENTS, size=len(base))) for _ in range(copies - 1)
    ]
    return concatenate([base, *turned])


def binned_contrast(cells: CellSet) -> F32:
    """(N, 784) float32: intensity / background - 1 of the four shots, means of 2 x 2 pixels."""
    level = np.maximum(cells.background, np.float32(_LEAST_LEVEL))
    binned = cells.images.reshape(len(cells), 4, 14, 2, 14, 2).mean(axis=(3, 5), dtype=np.float32)
    contrast: F32 = binned / level[:, :, None, None] - np.float32(1)
    return contrast.reshape(len(cells), 4 * 14 * 14)


def _under(cells: CellSet, elements: npt.NDArray[np.integer]) -> CellSet:
    images, background = np.empty_like(cells.images), np.empty_like(cells.background)
    for element in range(symmetry.ELEMENTS):
        rows = elements == element
        images[rows] = symmetry.apply(np, cells.images[rows], element)
        background[rows] = cells.background[rows][:, list(symmetry.shot_order(element))]
    return replace(cells, images=images, background=background)


def _size(cells: CellSet) -> F64:
    return size_features(cells.images, cells.background)
