"""How much a reproduction does: epochs, comparisons and resamples of a full and of a quick run."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from phenostream.trainer.evaluation.controls.ablations import PARTS, SHAPES
from phenostream.trainer.evaluation.controls.brief_fit import Budget
from phenostream.trainer.evaluation.controls.context import ContextSettings
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.reproduce.settings import ReproduceSettings
from phenostream.trainer.training.settings import PUBLISHED, TrainSettings


class Effort(BaseModel):
    """What decides the numbers of a run beside its cells.

    Attributes:
        training: All but folder, seed and threads.
        context: Of the first seed: baselines, controls, ablations, gallery.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: TrainSettings
    context: ContextSettings


def effort(settings: ReproduceSettings) -> Effort:
    """Recipe `published` under `paper`, ours otherwise.

    A quick run has a tenth of the epochs or less, and leaves out only the four parts of the network, one at a time.
    """
    published = settings.protocol == "paper"
    usual = 10 if settings.quick else int(PUBLISHED["epochs"]) if published else 40
    epochs = settings.epochs or usual
    training = TrainSettings(
        out=Path(),
        recipe="published" if published else "ours",
        epochs=epochs,
        threads=settings.threads,
    )
    bootstrap = BootstrapSettings(resamples=300 if settings.quick else 1_000)
    budget = Budget(cells=600, epochs=min(6, epochs)) if settings.quick else Budget()
    shapes = PARTS if settings.quick else tuple(SHAPES)
    return Effort(
        training=training,
        context=ContextSettings(
            bootstrap=bootstrap, budget=budget, shapes=shapes if settings.ablations else ()
        ),
    )
