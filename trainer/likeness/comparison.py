"""A pool of real pictures beside one of simulated ones: every statistic of both, and whether a model tells them apart.

Knows two tables of statistics; neither pictures nor files. Pools are compared whole, never class by class.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.trainer.likeness.statistics import (
    FREQUENCIES,
    RADII_UM,
    SCALARS,
    PictureStatistics,
)

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_TAILS: Final = (0.1, 0.9)
_FOLDS: Final = 5
_ROUNDS: Final = 4
_RESAMPLES: Final = 1000
_PENALTY: Final = 0.1
"""Inverse strength of the logistic model's penalty: 56 statistics of few pictures."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One statistic over a pool: median, 10th and 90th percentile."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One statistic of both pools.

    Attributes:
        name: One of `statistics.SCALARS`.
        real: Over the real pictures.
        synthetic: Over the simulated ones.
    """

    name: str
    real: Spread
    synthetic: Spread

    @property
    def ratio(self) -> float | None:
        """Synthetic median over the real one; None where that is 0."""
        return self.synthetic.median / self.real.median if self.real.median else None


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One curve of both pools.

    Attributes:
        name: `profile`, `spread`, `spectrum` or `background_spectrum`, as in `PictureStatistics`.
        x: Radii, µm, or frequencies, cycles/µm.
        real: Over the real pictures, one for each x.
        synthetic: Over the simulated ones.
    """

    name: str
    x: tuple[float, ...]
    real: tuple[Spread, ...]
    synthetic: tuple[Spread, ...]


@dataclass(frozen=True, slots=True)
class ToldApart:
    """How well a logistic model on all statistics tells real from simulated pictures it was not fitted to.

    Attributes:
        auc: 0.5 cannot tell, 1 always can.
        low: Lower end of the 95 % interval, resampled by picture.
        high: Upper end.
    """

    auc: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both pools.

    Attributes:
        real_cells: Number of real pictures.
        synthetic_cells: Number of simulated ones.
        rows: Single statistics.
        curves: Curves.
        told_apart: The model that tells the pools apart.
    """

    real_cells: int
    synthetic_cells: int
    rows: tuple[Row, ...]
    curves: tuple[CurveRow, ...]
    told_apart: ToldApart

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = asdict(self)
        for row, one in zip(told["rows"], self.rows, strict=True):
            row["ratio"] = one.ratio
        return told


def compare(real: PictureStatistics, synthetic: PictureStatistics, seed: int) -> Comparison:
    """Every statistic of both pools, and the model that tells them apart; at least five pictures in each.

    Args:
        real: Of real pictures.
        synthetic: Of simulated ones.
        seed: Of the folds and resamples.
    """
    return Comparison(
        real_cells=len(real),
        synthetic_cells=len(synthetic),
        rows=tuple(
            Row(name, *(spread(one.scalars[:, index]) for one in (real, synthetic)))
            for index, name in enumerate(SCALARS)
        ),
        curves=tuple(_curves(real, synthetic)),
        told_apart=tell_apart(real.features, synthetic.features, seed),
    )


def tell_apart(real: F32, synthetic: F32, seed: int) -> ToldApart:
    """Cross-validated AUC of a logistic model, the mean score of several rounds of folds, with its interval.

    Args:
        real: (N, F), at least five rows.
        synthetic: (M, F), likewise.
        seed: Of the folds and resamples.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = np.concatenate([real, synthetic]).astype(np.float64)
    truth = np.arange(len(table)) < len(real)
    score = np.zeros(len(table))
    for turn in range(_ROUNDS):
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed + turn)
        fit = LogisticRegression(C=_PENALTY, class_weight="balanced", max_iter=3000)
        model = make_pipeline(StandardScaler(), fit)
        score += cross_val_predict(model, table, truth, cv=folds, method="decision_function")
    found = score[truth], score[~truth]
    rng = np.random.default_rng(seed)
    drawn = [
        _auc(*(rng.choice(part, len(part)) for part in found))  # each pool with replacement
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return ToldApart(_auc(*found), float(low), float(high))


def _auc(positive: F64, negative: F64) -> float:
    """Share of pairs in the right order; ties count half."""
    line = np.sort(negative)
    below = np.searchsorted(line, positive, "left") + np.searchsorted(line, positive, "right")
    return float(below.mean() / 2 / len(line))


def _curves(real: PictureStatistics, synthetic: PictureStatistics) -> Iterator[CurveRow]:
    for name, at in (
        ("profile", RADII_UM),
        ("spread", RADII_UM),
        ("spectrum", FREQUENCIES),
        ("background_spectrum", FREQUENCIES),
    ):
        columns = (
            tuple(spread(column) for column in getattr(one, name).T) for one in (real, synthetic)
        )
        yield CurveRow(name, tuple(float(x) for x in at), *columns)


def spread(values: F32) -> Spread:
    """Of one statistic (N,), N at least 1."""
    low, high = np.quantile(values, _TAILS)
    return Spread(float(np.median(values)), float(low), float(high))
