"""What a trained model can do on cells it never saw, with intervals, beside what needs no skill.

Every marker correlation stands beside the oracle class-mean correlation (SPEC g.4): a marker's r says something
beyond "which class is it" only where the correlation within a class does. Intervals are bootstrapped over frames.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import ACCURACY_METRIC, COVERAGE_METRIC, Calibration, Metric
from phenostream.engine.types import CLASSES, MARKERS
from phenostream.trainer.calibration.probabilities import probabilities
from phenostream.trainer.data.cell_set import KINDS, CellSet
from phenostream.trainer.evaluation import scores
from phenostream.trainer.graph import BundleGraph
from phenostream.trainer.predict import Predictions, predict

Rows = npt.NDArray[np.intp]
Figures = dict[str, float]
RESAMPLES: Final = 400
_LEAST_FOR_R: Final = 100


def evaluate(
    graph: BundleGraph, calibration: Calibration, cells: CellSet, data: str, seed: int = 0
) -> tuple[Metric, ...]:
    """Measure a calibrated graph; a figure that these cells cannot give (nothing to reject, no debris) is left out.

    Args:
        graph: Calibrated.
        calibration: Its thresholds.
        cells: Held out from training, selection and calibration.
        data: What the cells are, for the report; simulated cells must say "synthetic".
        seed: Of the bootstrap.

    Raises:
        BadInput: A class has fewer than 30 cells: no headline may be printed from so few; or the model has no intervals
            or rejects nothing.
    """
    few = {name: n for name, n in cells.counts().items() if name in CLASSES and n < 30}
    if few:
        raise BadInput(f"evaluation: {few}: need at least 30 cells of each class")
    said = predict(graph, cells)
    figures = _figures(graph, calibration, cells, said)
    everything = np.arange(len(cells))
    point = figures(everything)
    resampled = [figures(rows) for rows in _resample(cells.group, seed)]
    metrics = []
    for name, value in point.items():
        others = np.array([other.get(name, np.nan) for other in resampled])
        others = others[np.isfinite(others)]
        if not np.isfinite(value) or not len(others):
            continue
        low, high = np.quantile(others, [0.025, 0.975])
        metrics.append(
            Metric(
                name=name,
                value=round(value, 4),
                low=round(float(low), 4),
                high=round(float(high), 4),
                n=_count(name, cells),
                data=data,
            )
        )
    return tuple(metrics)


def _resample(group: npt.NDArray[np.int32], seed: int) -> list[Rows]:
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(group == one) for one in np.unique(group)]
    return [
        np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        for _ in range(RESAMPLES)
    ]


def _count(name: str, cells: CellSet) -> int:
    for index, kind in enumerate(KINDS):
        if name.endswith(f" {kind}"):
            return int((cells.kind == index).sum())
    return len(cells) if name.endswith("AUROC") else int(cells.white.sum())


def _figures(
    graph: BundleGraph, calibration: Calibration, cells: CellSet, said: Predictions
) -> Callable[[Rows], Figures]:
    """A function from rows to named figures."""
    threshold, scale = calibration.reject_threshold, calibration.interval_scale
    if threshold is None or scale is None:
        raise BadInput("evaluate: the model rejects nothing or gives no intervals; calibrate it")
    before = probabilities(said.class_logits, 1.0, np.zeros(len(CLASSES)))
    after = probabilities(said.class_logits, calibration.temperature, calibration.class_bias)
    predicted = after.argmax(axis=1)
    reject = 1 / (1 + np.exp(-said.reject_logit.astype(np.float64)))
    rejected = reject >= threshold
    with torch.inference_mode():
        ood = graph.ood_score(torch.from_numpy(said.feature)).numpy()
    mean, sd = graph.marker_mean.numpy(), graph.marker_sd.numpy()
    target_z = (cells.marker_log10 - mean) / sd
    half_width = (after @ np.array(scale)) * np.exp(said.marker_log_sd)

    def figures(rows: Rows) -> Figures:
        white = rows[cells.white[rows]]
        label = cells.kind[white]
        right = (predicted[white] == label) & ~rejected[white]
        out = {
            "class accuracy": scores.accuracy(predicted[white], label),
            ACCURACY_METRIC: _share(right),
            "balanced accuracy": scores.balanced_accuracy(predicted[white], label),
            "macro F1": scores.macro_f1(predicted[white], label),
            "ECE before temperature": scores.expected_calibration_error(before[white], label),
            "ECE": scores.expected_calibration_error(after[white], label),
            "reject AUROC": scores.auroc(reject[rows], ~cells.white[rows]),
            "out-of-distribution AUROC": scores.auroc(ood[rows], ~cells.white[rows]),
            "out-of-distribution white": _share(ood[white] > calibration.ood_threshold),
        }
        for index, kind in enumerate(KINDS):
            of_kind = rows[cells.kind[rows] == index]
            if (cells.kind == index).any():
                out[f"rejected {kind}"] = _share(rejected[of_kind])
        for index, name in enumerate(CLASSES):
            of_class = white[label == index]
            out[f"recall {name}"] = _share(predicted[of_class] == index)
        for marker, name in enumerate(MARKERS):
            if not cells.marker_mask[cells.white, marker].any():
                continue
            valid = white[cells.marker_mask[white, marker]]
            z, truth = said.marker_z[valid, marker], target_z[valid, marker]
            kinds = cells.kind[valid]
            out[f"r {name}"] = scores.pearson(z, truth)
            out[f"oracle class-mean r {name}"] = scores.pearson(
                scores.class_means(truth, kinds), truth
            )
            for index, kind in enumerate(CLASSES):
                inside = kinds == index
                if (cells.kind == index).sum() >= _LEAST_FOR_R:
                    out[f"r {name} within {kind}"] = scores.pearson(z[inside], truth[inside])
            out[f"{COVERAGE_METRIC} {name}"] = _share(
                np.abs(z - truth) <= half_width[valid, marker]
            )
        return out

    return figures


def _share(true: npt.NDArray[np.bool_]) -> float:
    """Share of True; NaN of nothing."""
    return float(true.mean()) if len(true) else float("nan")
