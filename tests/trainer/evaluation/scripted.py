"""A model that says what a test tells it to, and cells to say it about."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from phenostream.engine.manifest import Calibration, MarkerTransform
from phenostream.engine.types import F32, Outputs
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.data import EvaluationData
from phenostream.trainer.evaluation.schema.document import DataFacts, SubjectFacts
from phenostream.trainer.evaluation.subject import Subject

TRANSFORM = MarkerTransform(scale="log10", mean=(1, 1, 1, 1), sd=(0.5, 0.5, 0.5, 0.5))
CALIBRATION = Calibration(
    status="calibrated",
    interval_half_width_z=(1, 1, 1, 1),
    ood_threshold=2.0,
    reject_threshold=0.5,
)
FACTS = DataFacts(name="scripted cells", synthetic=True, protocol="simulated")


def cells(
    count: int, seed: int, *, shares: tuple[float, ...] = (0.3, 0.4, 0.2, 0.06, 0.02, 0.02)
) -> CellSet:
    """Cells of all kinds whose images only hold their own number, ten to a field; targets depend on the class.

    Marker 3 also depends on the true size inside a class, marker 0 on nothing else than the class.
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(shares), size=count, p=shares).astype(np.int32)
    white = kind < 3
    size = rng.normal(size=count)
    log10 = 1 + 0.4 * (kind[:, None] - 1) + 0.2 * rng.standard_normal((count, 4))
    log10[:, 3] += 0.3 * size
    images = np.zeros((count, 4, 28, 28), np.float32)
    images[:, 0, 0, 0] = np.arange(count)
    mask = np.repeat(white[:, None], 4, axis=1)
    made = CellSet.with_labels(
        images,
        np.ones((count, 4), np.float32),
        kind,
        np.where(mask, log10, 0).astype(np.float32),
        mask,
        (np.arange(count) // 10).astype(np.int32),
    )
    truth = np.stack([np.where(white, size, np.nan), np.full(count, np.nan)], axis=1)
    return replace(made, truth=truth.astype(np.float32))


def outputs_for(made: CellSet, seed: int) -> Outputs:
    """A fair model: mostly right about the class, markers with noise, scores higher for what is foreign."""
    rng = np.random.default_rng(seed)
    count = len(made)
    logits = rng.normal(size=(count, 3))
    white = made.white
    logits[white, made.kind[white]] += 2.5
    powers = np.exp(logits)
    z = (made.marker_log10 - 1) / 0.5 + 0.6 * rng.standard_normal((count, 4))
    ends = np.stack([z - 1, z + 1], axis=2)
    return Outputs(
        class_logits=logits.astype(np.float32),
        marker_z=z.astype(np.float32),
        class_probability=(powers / powers.sum(axis=1, keepdims=True)).astype(np.float32),
        marker_estimate=_levels(z),
        marker_interval=_levels(ends),
        ood_score=(1 + 2 * made.foreign + 0.5 * rng.standard_normal(count)).astype(np.float32),
        reject_probability=np.clip(
            0.1 + 0.7 * made.foreign + 0.1 * rng.standard_normal(count), 0, 1
        ).astype(np.float32),
        feature=np.zeros((count, 256), np.float32),
    )


def subject(said: Outputs, calibration: Calibration = CALIBRATION) -> Subject:
    """It looks up, by the number in the image, what to say of a cell."""

    def infer(images: F32, background: F32) -> Outputs:
        rows = np.isin(np.arange(len(said)), images[:, 0, 0, 0].astype(int))
        return said.take(rows)

    facts = SubjectFacts(
        name="scripted 1",
        synthetic=True,
        source="checkpoint",
        identity="0" * 64,
        runtime="none",
        calibrated=True,
        marker_unit="a.u.",
    )
    return Subject(facts, calibration, TRANSFORM, infer, None, {"seed": 4})


def data(train: CellSet, test: CellSet, **outliers: CellSet) -> EvaluationData:
    """These cells."""
    return EvaluationData(train, test, outliers, FACTS)


def _levels(z: npt.NDArray[np.floating]) -> F32:
    levels: F32 = (10 ** (0.5 * z + 1)).astype(np.float32)
    return levels
