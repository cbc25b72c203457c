"""What is said of a model on published pictures of real cells; the JSON of `evaluate --dataset bsccm-figures`."""

from typing import Annotated, Literal

from pydantic import Field

from phenostream.trainer.evaluation.schema.figure import Closed, Count, Figure, Share
from phenostream.trainer.evaluation.schema.performance import Classification


class Rejected(Closed):
    """Cells of one label that the model calls no white cell.

    Attributes:
        label: As the figures have it; ``white`` for the three classes together.
        share: None where there is no such cell.
    """

    label: str
    share: Figure | None


class Way(Closed):
    """One way to judge the cells.

    Attributes:
        name: ``strict``, ``adapted``, or the name of a baseline.
        what: What it has seen, one sentence.
        classification: Of the white cells, before any is rejected; None without any.
        mean_auroc: Mean over classes of the area under the ROC of one class against the rest.
        rejected: By label; empty where it rejects nothing.
    """

    name: str
    what: str
    classification: Classification | None
    mean_auroc: Figure | None
    rejected: tuple[Rejected, ...] = ()


class JudgedCell(Closed):
    """One cell and what is said of it, by each way that sees all cells.

    Attributes:
        name: Of its picture.
        label: As the figures have it.
        probability: By way, of the three classes in their order.
        reject_probability: By way, that it is no white cell.
    """

    name: str
    label: str
    probability: dict[str, tuple[Share, Share, Share]]
    reject_probability: dict[str, Share]


class LayerMoved(Closed):
    """How far one layer's statistics moved in the adaptation, in units of its training.

    Attributes:
        layer: Its member and its name.
    """

    layer: str
    mean: Annotated[float, Field(ge=0)]
    log_sd: Annotated[float, Field(ge=0)]


class ModelFacts(Closed):
    """Which model was judged.

    Attributes:
        name: And version, of its card.
        synthetic: It learnt from simulated cells only.
        description: Of its card.
        weights_sha256: Of the weights of each of its members.
    """

    name: str
    version: str
    synthetic: bool
    description: str
    weights_sha256: tuple[str, ...]


class FiguresReport(Closed):
    """Everything.

    Attributes:
        root: Folder of the pictures.
        pictures_sha256: Of pictures and labels, as they were read.
        counts: Cells by label.
        left_out: Rows that could not be used, one line for each reason.
        folds: Of the adaptation.
        ways: Strict first, then adapted, then baselines.
        gain: Balanced accuracy of adapted over strict, paired by cell.
        shifts: Of the adaptation, the mean over folds.
        cells: All that were judged.
    """

    format: Literal["bsccm-figures-2"] = "bsccm-figures-2"
    root: str
    pictures_sha256: str
    counts: dict[str, Count]
    left_out: tuple[str, ...]
    model: ModelFacts
    folds: Count
    ways: tuple[Way, ...]
    gain: Figure | None
    shifts: tuple[LayerMoved, ...]
    cells: tuple[JudgedCell, ...]

    def way(self, name: str) -> Way:
        """The way of that name.

        Raises:
            KeyError: There is none.
        """
        for one in self.ways:
            if one.name == name:
                return one
        raise KeyError(name)
