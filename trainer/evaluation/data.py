"""The cells of one evaluation: what was learnt from, what is judged on, and what should be refused."""

from collections.abc import Mapping
from dataclasses import dataclass

from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.schema.document import DataFacts


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """One data set, split.

    Attributes:
        train: Cells the model learnt from, as they are in the set and not as they were drawn: class means, target
            statistics, baselines and the oracle are fitted on them, never on test cells.
        test: Cells that nothing was chosen on. White cells are judged; others among them count as outliers of
            their kind; cells without a class still count for markers.
        outliers: More cells that should be refused, by name of the kind, such as ``defocus`` or ``swap left-right``,
            every one of them whatever its own kind says; a set named as one of the test's kinds replaces it.
        facts: What is known beyond the cells.
    """

    train: CellSet
    test: CellSet
    outliers: Mapping[str, CellSet]
    facts: DataFacts
