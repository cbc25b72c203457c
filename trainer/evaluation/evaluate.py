"""The evaluation of one model on one data set, as a table of contents (SPEC g.4).

It judges what would be served: the calibrated outputs of the one graph, and the decisions a daemon would take on them.
What other modules add (baselines, controls, ablations, gallery, references) is put into the result with `model_copy`.
"""

import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import numpy as np

from phenostream.engine.types import F32, MARKERS, Outputs
from phenostream.trainer.data.cell_set import KINDS, UNLABELLED, WHITE, CellSet
from phenostream.trainer.evaluation.controls.baselines import size_marker_model
from phenostream.trainer.evaluation.data import EvaluationData
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.figures.classification import CalledCells, classify
from phenostream.trainer.evaluation.figures.marker_cells import Said, marker_cells
from phenostream.trainer.evaluation.figures.markers import judge_marker
from phenostream.trainer.evaluation.figures.outlier_figures import ScoredCells, judge_outliers
from phenostream.trainer.evaluation.figures.probabilities import (
    judge_probabilities,
    judge_sets,
    softmax,
)
from phenostream.trainer.evaluation.headline import headline
from phenostream.trainer.evaluation.schema.document import (
    DataSection,
    Evaluation,
    PartCounts,
    Provenance,
)
from phenostream.trainer.evaluation.schema.performance import (
    CalibrationFigures,
    MarkerFigures,
    Outliers,
)
from phenostream.trainer.evaluation.served import Served, serve
from phenostream.trainer.evaluation.subject import Subject

_SIZE_CELLS: Final = 6_000
"""Training cells that are enough for the few numbers of the size model."""
_COMPUTING: Final = ("phenostream", "numpy", "torch", "openvino", "onnxruntime", "scikit-learn")


@dataclass(frozen=True, slots=True)
class _Judged:
    """Test cells, what the model says of them, and the draws: what every section is made from."""

    subject: Subject
    data: EvaluationData
    resamples: Resamples
    outputs: Outputs
    served: Served
    settings: BootstrapSettings


def evaluate_model(
    subject: Subject, data: EvaluationData, settings: BootstrapSettings
) -> Evaluation:
    """Ask the model about every cell and measure what it says.

    Nothing here fails for want of cells: a figure that they cannot give is None, and the headline is refused where a
    class has fewer than 30.

    Args:
        subject: The model.
        data: Split; training cells are only fitted on.
        settings: Of the intervals.

    Raises:
        EngineFault: The model failed on these cells.
    """
    resamples, outputs = Resamples.of(data.test.group, settings), subject.outputs(data.test)
    served = serve(outputs, subject.calibration)
    found = _Judged(subject, data, resamples, outputs, served, settings)
    classification = classify(_called(found))
    calibration = _calibration(found)
    markers = _markers(found)
    outliers = _outliers(found)
    synthetic = subject.synthetic or data.facts.synthetic
    return Evaluation(
        subject=subject.facts,
        data=_data_section(data),
        headline=headline(classification, calibration, markers, outliers, synthetic=synthetic),
        classification=classification,
        calibration=calibration,
        markers=markers,
        outliers=outliers,
        provenance=_provenance(subject, settings),
    )


def _called(found: _Judged) -> CalledCells:
    white = found.data.test.white
    served = found.served
    return CalledCells(
        resamples=found.resamples.select(white),
        truth=found.data.test.kind[white],
        called=served.called[white],
        probability=found.outputs.class_probability[white],
        rejected=None if served.rejected is None else served.rejected[white],
    )


def _calibration(found: _Judged) -> CalibrationFigures | None:
    white = found.data.test.white
    resamples, truth = found.resamples.select(white), found.data.test.kind[white]
    before = judge_probabilities(resamples, softmax(found.outputs.class_logits[white]), truth)
    after = judge_probabilities(resamples, found.outputs.class_probability[white], truth)
    if before is None or after is None:
        return None
    sets, members = found.subject.calibration.class_sets, found.served.members
    return CalibrationFigures(
        before=before,
        after=after,
        sets=None
        if sets is None or members is None
        else judge_sets(resamples, members[white], truth, sets.coverage),
    )


def _markers(found: _Judged) -> tuple[MarkerFigures, ...]:
    train, test = found.data.train, found.data.test
    calibration = found.subject.calibration
    said = Said(
        outputs=found.outputs,
        called=found.served.called,
        transform=found.subject.transform,
        size_only=_size_only(train, test),
    )
    judged = []
    for marker, name in enumerate(MARKERS):
        cells = marker_cells(marker, train, test, said, found.resamples)
        figures = None if cells is None else judge_marker(name, cells, calibration.known_coverage)
        if figures is not None:
            judged.append(figures)
    return tuple(judged)


def _size_only(train: CellSet, test: CellSet) -> F32 | None:
    """What the size model says, fitted on an even choice of the training cells; None without cells."""
    if not len(train) or not len(test):
        return None
    step = math.ceil(len(train) / _SIZE_CELLS)
    return size_marker_model(train.select(np.arange(0, len(train), step)))(test)


def _outliers(found: _Judged) -> Outliers | None:
    """None of a model that neither scores nor rejects, or without white cells to compare with."""
    calibration, test = found.subject.calibration, found.data.test
    scored = ScoredCells.of(found.resamples, found.outputs, calibration)
    if not test.white.any() or (scored.ood is None and scored.reject is None):
        return None
    kinds = {
        name: scored.select(test.kind == index)
        for index, name in enumerate(KINDS)
        if index >= WHITE
    }
    for name, cells in found.data.outliers.items():
        kinds[name] = ScoredCells.of(
            Resamples.of(cells.group, found.settings), found.subject.outputs(cells), calibration
        )
    return judge_outliers(
        scored.select(test.white), test.kind[test.white], kinds, scored.select(test.foreign)
    )


def _data_section(data: EvaluationData) -> DataSection:
    parts = {"train": data.train, "test": data.test}
    parts |= {f"outliers: {name}": cells for name, cells in data.outliers.items()}
    return DataSection(
        facts=data.facts, parts=tuple(_part(name, cells) for name, cells in parts.items())
    )


def _part(name: str, cells: CellSet) -> PartCounts:
    unlabelled = int((cells.kind == UNLABELLED).sum())
    return PartCounts(
        name=name,
        cells=len(cells),
        fields=len(np.unique(cells.group)),
        kinds=cells.counts() | ({"unlabelled": unlabelled} if unlabelled else {}),
        sha256=cells.sha256(),
    )


def _provenance(subject: Subject, settings: BootstrapSettings) -> Provenance:
    seed = subject.settings.get("seed")
    return Provenance(
        seed=seed if isinstance(seed, int) else None,
        bootstrap_seed=settings.seed,
        resamples=settings.resamples,
        versions={name: version(name) for name in _COMPUTING},
        settings=subject.settings,
    )
