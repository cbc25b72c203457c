"""Small models from scikit-learn on columns of numbers: classes by logistic regression or an MLP, markers likewise.

Knows features and labelled cells; does not know where a feature comes from or what a result is compared with. Rows
without a class teach no class, masked targets no marker; the same features and seed give the same model.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, F32, I32, MARKERS, Bool
from phenostream.trainer.data.cell_set import CellSet

F64 = npt.NDArray[np.float64]
Family = Literal["linear", "MLP"]

LEAST_ROWS: Final = 20
"""With fewer targets a marker is not modelled, and with fewer white cells no class is."""
_HIDDEN: Final = (128,)
_MLP_BATCH: Final = 200
_LEAST_TO_STOP: Final = 100


@dataclass(frozen=True, slots=True)
class Strength:
    """How a model is held back.

    Attributes:
        family: ``linear``: logistic and ridge regression. ``MLP``: one hidden layer of 128.
        penalty: Squared-weight penalty per row, of standardised features.
        balanced: Weigh classes equally (linear only), so that balanced accuracy is what is optimised.
        iterations: At most so many steps, or epochs of the MLP.
        seed: Of the MLP's weights and order.
    """

    family: Family = "linear"
    penalty: float = 1e-4
    balanced: bool = False
    iterations: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SimpleModel:
    """A fitted model; made by `fit_simple`.

    Attributes:
        mean: (D,) of the training features.
        sd: (D,) likewise, 1 where a feature is constant.
        classifier: From scikit-learn, or None where a class was missing.
        log_prior: (3,) natural logarithm of the training cells' class shares.
        regressors: Each with the markers that it predicts.
    """

    mean: F64
    sd: F64
    classifier: Any | None
    log_prior: F64
    regressors: tuple[tuple[Any, tuple[int, ...]], ...]

    def log_probability(self, features: npt.NDArray[np.floating]) -> F64 | None:
        """Natural logarithm (N, 3) of class probabilities; None where no class was learnt."""
        if self.classifier is None:
            return None
        with np.errstate(divide="ignore"):
            logs: F64 = self.classifier.predict_log_proba(self._scaled(features))
        return np.maximum(logs, -50.0)

    def kind(self, features: npt.NDArray[np.floating], population: F64 | None = None) -> I32 | None:
        """Class (N,) with the greatest probability.

        Args:
            features: (N, D).
            population: Class shares (3,) where the model is to be used; None takes the training cells'.
        """
        logs = self.log_probability(features)
        if logs is None:
            return None
        if population is not None:
            logs = logs + np.log(np.maximum(population, 1e-6)) - self.log_prior
        called: I32 = logs.argmax(axis=1).astype(np.int32)
        return called

    def marker_log10(self, features: npt.NDArray[np.floating]) -> F32:
        """Marker levels (N, 4), log10; NaN for a marker that was not learnt."""
        said = np.full((len(features), len(MARKERS)), np.nan, np.float32)
        scaled = self._scaled(features)
        for regressor, markers in self.regressors:
            if len(said):
                predicted = np.asarray(regressor.predict(scaled), np.float32)
                said[:, list(markers)] = predicted.reshape(len(said), len(markers))
        return said

    def _scaled(self, features: npt.NDArray[np.floating]) -> F64:
        scaled: F64 = (features - self.mean) / self.sd
        return scaled


def fit_simple(
    features: npt.NDArray[np.floating], cells: CellSet, strength: Strength
) -> SimpleModel:
    """Fit classes on the white cells and each marker on the cells where it is valid.

    Args:
        features: (N, D), finite, one row per cell.
        cells: The labels.
        strength: Which family, and how strongly it is held back.

    Raises:
        BadInput: Features and cells differ in number, or a feature is not finite.
    """
    if len(features) != len(cells) or not np.isfinite(features).all():
        raise BadInput(
            f"features {features.shape} of {len(cells)} cells: need finite rows, one each"
        )
    mean, sd = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    if len(features):
        mean = features.mean(axis=0, dtype=np.float64)
        sd = features.std(axis=0, dtype=np.float64)
    sd = np.where(sd > 1e-9, sd, 1.0)
    scaled = (features - mean) / sd
    shares = np.bincount(cells.kind[cells.white], minlength=len(CLASSES)) + 0.5
    return SimpleModel(
        mean=mean,
        sd=sd,
        classifier=_classifier(scaled, cells, strength),
        log_prior=np.log(shares / shares.sum()),
        regressors=tuple(
            (
                _regressor(scaled[rows], cells.marker_log10[rows][:, markers], strength),
                tuple(markers),
            )
            for rows, markers in _marker_groups(cells.marker_mask)
        ),
    )


def _classifier(scaled: F64, cells: CellSet, strength: Strength) -> Any | None:
    """None where a class is missing: scikit-learn would number the rest anew."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    white = cells.white
    rows, counts = int(white.sum()), np.bincount(cells.kind[white], minlength=len(CLASSES))
    if rows < LEAST_ROWS or not counts.all():
        return None
    if strength.family == "MLP":
        model = MLPClassifier(**_mlp_options(strength, rows, int(counts.min())))
    else:
        model = LogisticRegression(
            C=1 / (strength.penalty * rows),
            max_iter=strength.iterations,
            class_weight="balanced" if strength.balanced else None,
        )
    return _fitted(model, scaled[white], cells.kind[white])


def _regressor(scaled: F64, targets: F32, strength: Strength) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler

    rows = len(scaled)
    if strength.family == "linear":
        return _fitted(Ridge(alpha=strength.penalty * rows), scaled, targets)
    model = MLPRegressor(**_mlp_options(strength, rows, rows))
    return _fitted(TransformedTargetRegressor(model, transformer=StandardScaler()), scaled, targets)


def _mlp_options(strength: Strength, rows: int, rarest: int) -> dict[str, Any]:
    """Options of either MLP; a tenth is held out to stop early where that leaves some of every class."""
    batch = min(_MLP_BATCH, rows // 2)
    return {
        "hidden_layer_sizes": _HIDDEN,
        "alpha": strength.penalty * batch,
        "batch_size": batch,
        "early_stopping": rows >= _LEAST_TO_STOP and rarest >= _LEAST_TO_STOP // 10,
        "max_iter": strength.iterations,
        "random_state": strength.seed,
    }


def _fitted(model: Any, features: F64, targets: npt.NDArray[Any]) -> Any:
    """Iterations are bounded on purpose, so that a fit which could go on is no warning."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, targets)


def _marker_groups(mask: Bool) -> list[tuple[npt.NDArray[np.intp], list[int]]]:
    """Markers with the same valid rows are fitted together; those with too few are left out."""
    groups: dict[bytes, list[int]] = {}
    for marker in range(mask.shape[1]):
        groups.setdefault(mask[:, marker].tobytes(), []).append(marker)
    found = [(np.flatnonzero(mask[:, markers[0]]), markers) for markers in groups.values()]
    return [(rows, markers) for rows, markers in found if len(rows) >= LEAST_ROWS]
