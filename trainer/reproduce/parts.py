"""A split of packed cells as what is trained on and what is judged on."""

from dataclasses import dataclass

from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.data.packed import PackedCells
from phenostream.trainer.data.protocols import Chosen
from phenostream.trainer.data.splits import Split, cell_set, outlier_rows
from phenostream.trainer.evaluation.controls.perturbations import perturbed
from phenostream.trainer.evaluation.data import EvaluationData
from phenostream.trainer.evaluation.schema.document import DataFacts
from phenostream.trainer.training.train import CardFacts, TrainingData


@dataclass(frozen=True, slots=True)
class Parted:
    """Both sides of one split."""

    training: TrainingData
    judged: EvaluationData


def parted(cells: PackedCells, made: Split, facts: DataFacts) -> Parted:
    """Cell sets of every part; the outliers are red, unknown and ungated cells, and the test cells perturbed.

    Args:
        cells: What was split.
        made: The split.
        facts: Of both, for the report.
    """
    parts = {name: _set(cells, part) for name, part in made.parts().items()}
    white = parts["test"].select(parts["test"].white)
    training = TrainingData(
        train=parts["train"],
        select=parts["select"],
        calibrate=parts["calibrate"],
        test={},  # judged by `evaluate_model`, whatever comes of it
        facts=_card_facts(facts),
    )
    outliers = {name: cell_set(cells, rows) for name, rows in outlier_rows(cells, made).items()}
    judged = EvaluationData(
        train=parts["train"], test=white, outliers=outliers | perturbed(white), facts=facts
    )
    return Parted(training, judged)


def _card_facts(facts: DataFacts) -> CardFacts:
    synthetic = "Simulated (synthetic) cells in the layout of BSCCM; says nothing about blood. "
    return CardFacts(
        name=f"phenostream-{facts.name.lower().split()[0]}-{facts.protocol}",
        description=(
            f"Trained on {facts.name}, split {facts.protocol}. {synthetic if facts.synthetic else ''}Research use."
        ),
        marker_unit="a.u. (synthetic)" if facts.synthetic else "a.u. (BSCCM, linear)",
        synthetic=facts.synthetic,
        reduction_kernel="bsccm-gaussian",
    )


def _set(cells: PackedCells, part: Chosen) -> CellSet:
    return cell_set(cells, part.rows, part.kind)
